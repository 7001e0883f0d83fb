package compose

import (
	"fmt"
	"io"
	"io/fs"

	"catalyst.dev/catalyst/render/manifest"
)

// isFile reports whether the source has a regular file of the name.
func isFile(source fs.FS, name string) bool {
	info, err := fs.Stat(source, name)
	return err == nil && info.Mode().IsRegular()
}

// readFile reads a file of the source, at most limit bytes.
func readFile(source fs.FS, file string, limit int64) ([]byte, error) {
	f, err := source.Open(file)
	if err != nil {
		return nil, &manifest.Problem{File: file, Message: "the file does not exist in the source", Remedy: "commit it, or correct the path"}
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, &manifest.Problem{File: file, Message: "cannot be read as a file", Remedy: "name a regular file"}
	}
	if int64(len(data)) > limit {
		return nil, &manifest.Problem{File: file, Message: fmt.Sprintf("the file has more than %d bytes", limit), Remedy: "make it smaller"}
	}
	return data, nil
}
