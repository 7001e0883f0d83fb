package compose

import (
	"encoding/json"
	"path"
	"slices"
	"strings"

	composetypes "github.com/compose-spec/compose-go/v2/types"
)

// copiedPaths are the paths of an image that a build puts files at.
type copiedPaths struct {
	paths []string
	// unknown says that there are others, too.
	unknown bool
}

// copies reports whether a build puts files at a path of the image, or may do so: what cannot be read is taken to.
func (t *translation) copies(b composetypes.BuildConfig, target string) bool {
	id := dockerfilePath(b) + "\n" + b.DockerfileInline
	c, known := t.storage.copied[id]
	if !known {
		text, err := t.dockerfileText(b)
		if c.unknown = err != nil; err == nil {
			c = copied(text)
		}
		t.storage.copied[id] = c
	}
	return c.unknown || slices.ContainsFunc(c.paths, func(p string) bool { return related(p, target) })
}

// copied reads what a Dockerfile copies. Relative to a folder that the base image names, or a variable, it may be anywhere.
func copied(text string) copiedPaths {
	var c copiedPaths
	workdir, known := "", false
	for _, line := range instructions(text) {
		name, rest := cutWord(line)
		switch strings.ToUpper(name) {
		case "FROM":
			workdir, known = "", false
		case "WORKDIR":
			dir := strings.Trim(rest, `"'`)
			known = known || path.IsAbs(dir)
			workdir = inImage(workdir, dir)
		case "COPY", "ADD":
			to := destination(rest)
			if strings.Contains(to+workdir, "$") || !path.IsAbs(to) && !known || len(c.paths) >= maxDockerCopies {
				c.unknown = true
				return c
			}
			c.paths = append(c.paths, inImage(workdir, to))
		}
	}
	return c
}

// destination is the last argument of COPY or ADD.
func destination(args string) string {
	if i := strings.Index(args, "["); i >= 0 {
		var list []string
		if json.Unmarshal([]byte(args[i:]), &list) == nil && len(list) > 0 {
			return list[len(list)-1]
		}
	}
	fields := strings.Fields(args)
	if len(fields) == 0 {
		return ""
	}
	return strings.Trim(fields[len(fields)-1], `"'`)
}

// inImage is a path of a Dockerfile, from the working directory, as the image has it.
func inImage(dir, p string) string {
	if path.IsAbs(p) {
		return path.Clean(p)
	}
	return path.Join("/", dir, p)
}
