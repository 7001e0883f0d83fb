package compose

import (
	"io/fs"
	"path"
	"unicode/utf8"

	composetypes "github.com/compose-spec/compose-go/v2/types"
)

// Limits on the mounted files that are searched for hosts.
const (
	maxTextSize = 64 << 10
	maxTexts    = 50
	maxSearched = 4 << 20
)

// readTexts are the small texts of the repository that a service reads: its env files, configs and mounted files. They
// are searched for the hosts and ports that they name; what cannot be read is judged where it is translated.
func (t *translation) readTexts(svc composetypes.ServiceConfig) []string {
	var texts []string
	read := func(file string) {
		info, err := fs.Stat(t.in.Source, file)
		if err != nil || !info.Mode().IsRegular() || info.Size() > maxTextSize || len(texts) >= maxTexts || t.searched > maxSearched {
			return
		}
		data, err := readFile(t.in.Source, file, maxTextSize)
		if err == nil && utf8.Valid(data) {
			t.searched += len(data)
			texts = append(texts, string(data))
		}
	}
	for _, f := range svc.EnvFiles {
		read(path.Clean(f.Path))
	}
	for _, c := range svc.Configs {
		if file := t.project.Configs[c.Source].File; file != "" {
			read(path.Clean(file))
		}
	}
	for _, v := range svc.Volumes {
		source := path.Clean(v.Source)
		if v.Type != composetypes.VolumeTypeBind || !fs.ValidPath(source) || t.isSourceCode(svc, source) {
			continue
		}
		read(source)
		entries, err := fs.ReadDir(t.in.Source, source)
		for i := 0; err == nil && i < len(entries) && i < maxTexts; i++ {
			read(path.Join(source, entries[i].Name()))
		}
	}
	return texts
}
