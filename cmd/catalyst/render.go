package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/gitops"
	"catalyst.dev/catalyst/render"
	"catalyst.dev/catalyst/secrets"
)

// renderFlags are what render and diff share: the documents and the sources.
type renderFlags struct {
	files       []string
	sources     []string
	certificate string
}

func (f *renderFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringArrayVarP(&f.files, "filename", "f", nil, "project.yaml, environment.yaml, and catalyst.yaml or the embedded default; repeat")
	cmd.Flags().StringArrayVar(&f.sources, "source", nil, "NAME=DIR: the source of that name is this folder; repeat")
	cmd.Flags().StringVar(&f.certificate, "certificate", "", "PEM file of the sealing certificate; a throw-away one when empty")
}

func newRender(p *program) *cobra.Command {
	var flags renderFlags
	var out, report string
	cmd := &cobra.Command{
		Use:   "render -f project.yaml -f environment.yaml --source NAME=DIR",
		Short: "Render an Environment to the files that its folder in Git would hold",
		Example: `  catalyst render -f project.yaml -f environment.yaml --source web=. -o out
  catalyst render -f project.yaml -f environment.yaml -f catalyst.yaml --source web=. -o - | kubectl diff -f -`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			files, rendered, err := p.render(cmd.Context(), flags)
			if err != nil {
				return err
			}
			if err := writeReport(report, rendered); err != nil {
				return err
			}
			if out == "-" {
				return p.writeStream(files)
			}
			return writeFolder(out, files)
		},
	}
	flags.register(cmd)
	cmd.Flags().StringVarP(&out, "output", "o", "-", "folder to write to, or - for one YAML stream")
	cmd.Flags().StringVar(&report, "report", "", "file for the verdict on every key, as JSON")
	return cmd
}

// render makes the files of the environment's folder from local documents and folders. One's own files need no
// containment: it runs in this process.
func (p *program) render(ctx context.Context, flags renderFlags) (map[string][]byte, *render.Output, error) {
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // it is over before collecting pays
	docs, err := readDocuments(flags.files)
	if err != nil {
		return nil, nil, err
	}
	sources, closeAll, err := openSources(flags.sources, docs.Project)
	if err != nil {
		return nil, nil, err
	}
	defer closeAll()
	out, err := render.Render(ctx, render.Input{
		Platform: docs.Platform, Project: docs.Project, Environment: docs.Environment, Sources: sources,
	})
	if err != nil {
		return nil, nil, err
	}
	if flags.certificate != "" {
		if docs.Certificate, err = os.ReadFile(flags.certificate); err != nil {
			return nil, nil, fmt.Errorf("reading the certificate: %w", err)
		}
	}
	digest, err := gitops.InputDigest(docs, version)
	if err != nil {
		return nil, nil, err
	}
	if docs.Certificate == nil && slices.ContainsFunc(out.Objects, isSecret) {
		fmt.Fprintln(p.Err, "catalyst: sealing with a throw-away certificate: nobody can open the result (give --certificate FILE)")
		docs.Certificate = secrets.ThrowAwayCertificate()
	}
	files, err := gitops.Folder(gitops.FolderInput{
		Documents: docs, Rendered: out,
		Metadata: gitops.Metadata{Catalyst: gitops.RenderMetadata{Version: version, InputDigest: digest, URL: out.URL}},
	})
	return files, out, err
}

func isSecret(obj *unstructured.Unstructured) bool { return obj.GetKind() == "Secret" }

// readDocuments reads the Project, the Environment and the Platform, whichever file each stands in.
func readDocuments(files []string) (gitops.Documents, error) {
	var docs gitops.Documents
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return docs, fmt.Errorf("reading a document: %w", err)
		}
		if err := addDocument(&docs, file, data); err != nil {
			return docs, err
		}
	}
	if docs.Project == nil || docs.Environment == nil {
		return docs, hinted{errors.New("a Project and an Environment are needed"), "give both: -f project.yaml -f environment.yaml"}
	}
	if docs.Platform == nil {
		docs.Platform = defaultPlatform()
	}
	if docs.Environment.Spec.ProjectRef.Name != docs.Project.Name {
		return docs, fmt.Errorf("the environment belongs to project %q, not to %q", docs.Environment.Spec.ProjectRef.Name, docs.Project.Name)
	}
	return docs, docs.Environment.ValidateAgainst(docs.Project)
}

func addDocument(docs *gitops.Documents, file string, data []byte) error {
	var head struct {
		Kind string `json:"kind"`
	}
	if err := yaml.Unmarshal(data, &head); err != nil {
		return fmt.Errorf("%s: not a YAML document: %w", file, err)
	}
	switch head.Kind {
	case v1alpha1.KindProject:
		docs.Project = &v1alpha1.Project{}
		return v1alpha1.Decode(file, data, docs.Project)
	case v1alpha1.KindEnvironment:
		docs.Environment = &v1alpha1.Environment{}
		return v1alpha1.Decode(file, data, docs.Environment)
	case v1alpha1.KindPlatform:
		docs.Platform = &v1alpha1.Platform{}
		return v1alpha1.Decode(file, data, docs.Platform)
	default:
		return fmt.Errorf("%s: kind: %q is not a Project, an Environment or a Platform", file, head.Kind)
	}
}

// defaultPlatform serves where no catalyst.yaml is given.
func defaultPlatform() *v1alpha1.Platform {
	p := &v1alpha1.Platform{Spec: v1alpha1.PlatformSpec{
		Domain:   "catalyst.localhost",
		Registry: "registry.catalyst.localhost",
		Ingress:  v1alpha1.PlatformIngress{ClassName: "nginx"},
	}}
	p.SetDefaults()
	return p
}

// openSources opens each folder as a root that no symlink leaves.
func openSources(flags []string, project *v1alpha1.Project) (map[string]fs.FS, func(), error) {
	sources := map[string]fs.FS{}
	var roots []*os.Root
	closeAll := func() {
		for _, r := range roots {
			_ = r.Close() // read only: nothing can be lost
		}
	}
	for _, f := range flags {
		name, dir, ok := strings.Cut(f, "=")
		if !ok {
			closeAll()
			return nil, nil, hinted{fmt.Errorf("--source %s: not NAME=DIR", f), "for example --source web=."}
		}
		if _, known := project.Source(name); !known || name == "" {
			closeAll()
			return nil, nil, fmt.Errorf("--source %s: project %s has no source %q", f, project.Name, name)
		}
		root, err := os.OpenRoot(dir)
		if err != nil {
			closeAll()
			return nil, nil, fmt.Errorf("opening source %s: %w", name, err)
		}
		roots = append(roots, root)
		sources[name] = root.FS()
	}
	return sources, closeAll, nil
}

// writeStream writes all manifests as one YAML stream, in file order.
func (p *program) writeStream(files map[string][]byte) error {
	var b bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if path.Dir(name) != "manifests" {
			continue
		}
		b.WriteString("---\n")
		b.Write(files[name])
	}
	_, err := p.Out.Write(b.Bytes())
	return err
}

// writeFolder writes the files below dir through a root, so that no symlink in it leads elsewhere. Manifests of an earlier
// render are removed first: the folder holds what Git would hold.
func writeFolder(dir string, files map[string][]byte) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making the output folder: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("opening the output folder: %w", err)
	}
	defer func() { _ = root.Close() }() // each file's own Close is checked
	if err := root.RemoveAll("manifests"); err != nil {
		return fmt.Errorf("removing the manifests of an earlier render: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return fmt.Errorf("making the folder of %s: %w", name, err)
		}
		if err := root.WriteFile(name, files[name], 0o644); err != nil {
			return fmt.Errorf("writing %s: %w", name, err)
		}
	}
	return nil
}

func writeReport(file string, out *render.Output) error {
	if file == "" {
		return nil
	}
	data, err := json.MarshalIndent(out.Report, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the report: %w", err)
	}
	if err := os.WriteFile(file, append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}
