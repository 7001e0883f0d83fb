package helm

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/ignore"

	"catalyst.dev/catalyst/render/manifest"
)

const (
	maxChartSize = 10 << 20
	maxFileSize  = 5 << 20
	maxFiles     = 10_000
	// maxFolders nest in a chart; also ends loops of symlinks.
	maxFolders = 32
	// maxArchives nest in one another.
	maxArchives = 4
)

// chartReader collects the files of a chart under one budget, archives unpacked.
type chartReader struct {
	source fs.FS
	root   string
	rules  *ignore.Rules
	files  []*loader.BufferedFile
	size   int
	count  int
}

// readChart reads the files of the chart in a folder, without those that .helmignore names.
func readChart(source fs.FS, root string) ([]*loader.BufferedFile, error) {
	if _, err := fs.Stat(source, path.Join(root, "Chart.yaml")); err != nil {
		return nil, &manifest.Problem{File: root, Message: "there is no Chart.yaml in this folder",
			Remedy: "name the chart's folder as the template's path"}
	}
	c := &chartReader{source: source, root: root, rules: ignore.Empty()}
	data, err := fs.ReadFile(source, path.Join(root, ignore.HelmIgnore))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, c.bad(ignore.HelmIgnore, err.Error())
	}
	if err == nil {
		if c.rules, err = ignore.Parse(bytes.NewReader(data)); err != nil {
			return nil, c.bad(ignore.HelmIgnore, err.Error())
		}
	}
	c.rules.AddDefaults()
	err = c.folder("", 0)
	return c.files, err
}

func (c *chartReader) bad(name, message string) error {
	return &manifest.Problem{File: path.Join(c.root, name), Message: message, Remedy: "correct the chart's files"}
}

func (c *chartReader) folder(dir string, depth int) error {
	if depth > maxFolders {
		return c.bad(dir, fmt.Sprintf("folders are nested more than %d deep, perhaps by a symlink", maxFolders))
	}
	entries, err := fs.ReadDir(c.source, path.Join(c.root, dir))
	if err != nil {
		return c.bad(dir, err.Error())
	}
	for _, entry := range entries {
		name := path.Join(dir, entry.Name())
		info, err := fs.Stat(c.source, path.Join(c.root, name)) // follows symlinks, inside the tree
		if err != nil {
			if linfo, lerr := entry.Info(); lerr == nil && c.rules.Ignore(name, linfo) {
				continue
			}
			return c.bad(name, err.Error())
		}
		if c.rules.Ignore(name, info) {
			continue
		}
		if info.IsDir() {
			err = c.folder(name, depth+1)
		} else {
			err = c.file(name, info)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *chartReader) file(name string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return c.bad(name, "this is no regular file")
	}
	if info.Size() > maxFileSize {
		return c.bad(name, fmt.Sprintf("the file has %d bytes, more than %d", info.Size(), maxFileSize))
	}
	data, err := fs.ReadFile(c.source, path.Join(c.root, name))
	if err != nil {
		return c.bad(name, err.Error())
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if err := c.check(name, data, 0); err != nil {
		return err
	}
	c.files = append(c.files, &loader.BufferedFile{Name: name, Data: data})
	return nil
}

// check holds the budgets for a file, and for what is in it if it is a chart's archive.
func (c *chartReader) check(name string, data []byte, archives int) error {
	c.count++
	if c.size += len(data); c.size > maxChartSize || c.count > maxFiles {
		return c.bad(name, fmt.Sprintf("the chart, unpacked, has more than %d bytes or %d files", maxChartSize, maxFiles))
	}
	switch path.Base(name) {
	case "Chart.yaml", "Chart.lock", "values.yaml", "requirements.yaml", "requirements.lock", "values.schema.json":
		return manifest.CheckYAML(path.Join(c.root, name), data)
	}
	if path.Ext(name) == ".tgz" && path.Base(path.Dir(name)) == "charts" {
		if archives >= maxArchives {
			return c.bad(name, fmt.Sprintf("archives are nested more than %d deep", maxArchives))
		}
		return c.archive(name, data, archives+1)
	}
	return nil
}

// archive walks a vendored chart's archive before Helm unpacks it.
func (c *chartReader) archive(name string, data []byte, archives int) error {
	unzipped, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return c.bad(name, "unpacking: "+err.Error())
	}
	// Headers and padding count too: an archive of empty files unpacks into megabytes of them.
	archive := tar.NewReader(io.LimitReader(unzipped, 2*maxChartSize))
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return c.bad(name, "unpacking: "+err.Error())
		}
		inner := name + ":" + header.Name
		switch header.Typeflag {
		case tar.TypeReg:
		case tar.TypeDir, tar.TypeXGlobalHeader, tar.TypeXHeader:
			continue
		default:
			return c.bad(name, fmt.Sprintf("archive entry %q is no regular file", header.Name))
		}
		if !fs.ValidPath(strings.TrimPrefix(header.Name, "./")) || strings.ContainsAny(header.Name, "\\:\x00") {
			return c.bad(name, fmt.Sprintf("archive entry %q leaves the chart", header.Name))
		}
		if header.Size > maxFileSize {
			return c.bad(name, fmt.Sprintf("archive entry %q has more than %d bytes", header.Name, maxFileSize))
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			return c.bad(name, "unpacking: "+err.Error())
		}
		if err := c.check(inner, content, archives); err != nil {
			return err
		}
	}
}
