package render

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/render/image"
	"catalyst.dev/catalyst/render/kustomize"
)

// reference is the image rule: the environment's image as it stands, else the given repository, else the
// template's, at the commit of the named source. It is empty where nobody names an image.
func (j *job) reference(repository, sourceRef string) (string, error) {
	if own := j.in.Environment.Spec.Config.Image; own != "" && repository == "" {
		return own, nil
	}
	if repository == "" {
		repository = j.tmpl.Config.Image
	}
	if repository == "" {
		return "", nil
	}
	ref, err := image.Reference(repository, j.commit(sourceRef))
	if err != nil {
		return "", inProject(err)
	}
	return ref, nil
}

// images are the places where the image rule applies; one with the defaults when the template names none.
func (j *job) images() []v1alpha1.TemplateImage {
	if len(j.tmpl.Images) > 0 {
		return j.tmpl.Images
	}
	return []v1alpha1.TemplateImage{{}}
}

// setHelmImages writes the image rule into Helm values.
func (j *job) setHelmImages() error {
	for i, img := range j.images() {
		ref, err := j.reference(img.Repository, img.SourceRef)
		if err != nil {
			return err
		}
		if ref == "" {
			continue
		}
		repository, tag := split(ref)
		field := fmt.Sprintf("images[%d]", i)
		if err := j.setValue(orDefault(img.RepositoryPath, "image.repository"), repository, field+".repositoryPath"); err != nil {
			return err
		}
		if err := j.setValue(orDefault(img.TagPath, "image.tag"), tag, field+".tagPath"); err != nil {
			return err
		}
	}
	return nil
}

// setValue writes a string at a dotted path of the values.
func (j *job) setValue(dotted, value, field string) error {
	parts := strings.Split(dotted, ".")
	at := j.values
	for _, p := range parts[:len(parts)-1] {
		next, ok := at[p].(map[string]any)
		if !ok {
			if at[p] != nil {
				return j.problem(field, fmt.Sprintf("value %s is not a mapping, so %s cannot be set", p, dotted), "correct the path")
			}
			next = map[string]any{}
			at[p] = next
		}
		at = next
	}
	at[parts[len(parts)-1]] = value
	return nil
}

// kustomizeImages are the image rule as kustomize's own images field.
func (j *job) kustomizeImages() ([]kustomize.Image, error) {
	var images []kustomize.Image
	for _, img := range j.images() {
		ref, err := j.reference(img.Repository, img.SourceRef)
		if err != nil {
			return nil, err
		}
		if ref == "" {
			continue
		}
		repository, tag := split(ref)
		ki := kustomize.Image{Name: img.Name, NewName: repository, NewTag: tag}
		if ki.Name == "" {
			ki.Name, _ = split(orDefault(j.tmpl.Config.Image, ref))
		}
		if name, digest, ok := strings.Cut(ref, "@"); ok {
			ki.NewName, ki.NewTag, ki.Digest = name, "", digest
		}
		images = append(images, ki)
	}
	return images, nil
}

// composeImages are the image rule by Compose service.
func (j *job) composeImages() (map[string]string, error) {
	images := map[string]string{}
	for _, img := range j.tmpl.Images {
		ref, err := j.reference(img.Repository, img.SourceRef)
		if err != nil {
			return nil, err
		}
		if ref != "" {
			images[img.Name] = ref
		}
	}
	// config.image means the one built service; with several of them, images must say which.
	if len(j.tmpl.Images) == 0 && len(j.tmpl.Builds) == 1 {
		ref, err := j.reference("", j.tmpl.Builds[0].SourceRef)
		if err != nil {
			return nil, err
		}
		if ref != "" {
			images[j.tmpl.Builds[0].Name] = ref
		}
	}
	if j.in.Platform.Spec.Registry == "" {
		return images, nil
	}
	for _, b := range j.tmpl.Builds {
		if images[b.Name] == "" {
			images[b.Name] = j.buildImage(b.Name)
		}
	}
	return images, nil
}

// buildImage is what a build of a Compose service pushes: registry/team/project/service:commit.
func (j *job) buildImage(service string) string {
	sourceRef := ""
	for _, b := range j.tmpl.Builds {
		if b.Name == service {
			sourceRef = b.SourceRef
		}
	}
	tag := j.commit(sourceRef)
	if tag == "" {
		tag = "latest"
	}
	return strings.Join([]string{j.in.Platform.Spec.Registry, j.key.Team, j.key.Project, service}, "/") + ":" + tag
}

// setImages writes the image rule into every container of plain manifests whose image repository is the named one.
func setImages(objs []*unstructured.Unstructured, images []kustomize.Image) {
	byName := map[string]kustomize.Image{}
	for _, img := range images {
		byName[img.Name] = img
	}
	for _, obj := range objs {
		setContainerImages(obj.Object, byName)
	}
}

// setContainerImages looks for lists of containers at any depth, since every workload kind keeps its pod elsewhere.
func setContainerImages(v any, images map[string]kustomize.Image) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			setContainerImages(item, images)
		}
	case map[string]any:
		for _, list := range []string{"containers", "initContainers"} {
			containers, _ := v[list].([]any)
			for _, c := range containers {
				setContainerImage(c, images)
			}
		}
		for _, child := range v {
			setContainerImages(child, images)
		}
	}
}

func setContainerImage(c any, images map[string]kustomize.Image) {
	container, _ := c.(map[string]any)
	current, ok := container["image"].(string)
	if !ok {
		return
	}
	name, _ := split(current)
	name, _, _ = strings.Cut(name, "@")
	img, ok := images[name]
	switch {
	case !ok:
	case img.Digest != "":
		container["image"] = img.NewName + "@" + img.Digest
	case img.NewTag != "":
		container["image"] = img.NewName + ":" + img.NewTag
	default:
		container["image"] = img.NewName
	}
}

// split parts a reference into what Helm charts call repository and tag. A digest follows the usual trick: the
// chart joins the two by a colon again.
func split(ref string) (repository, tag string) {
	if name, digest, ok := strings.Cut(ref, "@"); ok {
		algorithm, hex, _ := strings.Cut(digest, ":")
		return name + "@" + algorithm, hex
	}
	if i := strings.LastIndex(ref, ":"); i > strings.LastIndex(ref, "/") {
		return ref[:i], ref[i+1:]
	}
	return ref, ""
}

func orDefault(s, def string) string {
	if s == "" {
		return def
	}
	return s
}
