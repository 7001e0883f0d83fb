package image

import (
	"fmt"

	"github.com/distribution/reference"

	"catalyst.dev/catalyst/render/manifest"
)

// Reference is the image rule: an image with a tag or digest stays as it is, a bare repository gets the source's commit
// as its tag. Bad input gives *manifest.Problem.
func Reference(repositoryOrImage, commitSHA string) (string, error) {
	bad := func(message, remedy string) (string, error) {
		return "", &manifest.Problem{Field: "image", Message: message, Remedy: remedy}
	}
	named, err := reference.ParseNormalizedNamed(repositoryOrImage)
	if err != nil {
		return bad(fmt.Sprintf("%q is no image reference: %v", repositoryOrImage, err), "write it as registry/repository:tag")
	}
	if !reference.IsNameOnly(named) {
		return repositoryOrImage, nil
	}
	if commitSHA == "" {
		return bad(fmt.Sprintf("image %q has no tag, and there is no commit to tag it with", repositoryOrImage), "add a tag or a source")
	}
	if _, err := reference.WithTag(named, commitSHA); err != nil {
		return bad(fmt.Sprintf("commit %q is no image tag", commitSHA), "use the commit's full hash")
	}
	return repositoryOrImage + ":" + commitSHA, nil
}
