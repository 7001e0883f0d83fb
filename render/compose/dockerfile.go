package compose

import (
	"encoding/json"
	"path"
	"strings"

	composetypes "github.com/compose-spec/compose-go/v2/types"
)

// copies reports whether a build puts files at a path of the image, or may do so: what cannot be read is taken to.
func (t *translation) copies(b composetypes.BuildConfig, target string) bool {
	text := b.DockerfileInline
	if text == "" {
		name := b.Dockerfile
		if name == "" {
			name = "Dockerfile"
		}
		data, err := readFile(t.in.Source, path.Join(path.Clean(b.Context), name), maxFileSize)
		if err != nil {
			return true
		}
		text = string(data)
	}
	workdir, known := "", false
	for _, line := range instructions(text) {
		name, rest, _ := strings.Cut(line, " ")
		switch strings.ToUpper(name) {
		case "FROM":
			workdir, known = "", false
		case "WORKDIR":
			dir := strings.Trim(strings.TrimSpace(rest), `"'`)
			known = known || path.IsAbs(dir)
			workdir = resolve(workdir, dir)
		case "COPY", "ADD":
			to := destination(rest)
			if strings.Contains(to+workdir, "$") || !path.IsAbs(to) && !known || related(resolve(workdir, to), target) {
				return true
			}
		}
	}
	return false
}

// instructions are the logical lines of a Dockerfile.
func instructions(text string) []string {
	var out []string
	var line strings.Builder
	for raw := range strings.Lines(text) {
		raw = strings.TrimSpace(raw)
		if raw == "" || strings.HasPrefix(raw, "#") {
			continue
		}
		more := strings.HasSuffix(raw, `\`)
		line.WriteString(strings.TrimSuffix(raw, `\`))
		if more {
			line.WriteByte(' ')
			continue
		}
		out = append(out, strings.Join(strings.Fields(line.String()), " "))
		line.Reset()
	}
	return out
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

func resolve(dir, p string) string {
	if path.IsAbs(p) {
		return path.Clean(p)
	}
	return path.Join("/", dir, p)
}
