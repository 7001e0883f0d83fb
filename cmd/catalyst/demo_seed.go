package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"

	"catalyst.dev/catalyst/api/v1alpha1"
	template "catalyst.dev/catalyst/environments-repo-template"
	"catalyst.dev/catalyst/examples"
	"catalyst.dev/catalyst/gitops"
	"catalyst.dev/catalyst/gitops/forge/forgetest"
	"catalyst.dev/catalyst/gitops/repository"
	"catalyst.dev/catalyst/secrets"
)

// Files of the demo below the data folder.
const (
	demoForgeURL = "demo-forge.url"
	demoKeys     = "demo-keys"
)

// demo is everything around the server that a real set-up would have elsewhere: the forge, the application repositories, the
// environments repository, keys.
type demo struct {
	data     string
	forge    *forgetest.Server
	listener net.Listener
	webhook  string
	key      string
	repo     string
}

// prepareDemo makes what is missing below the data folder; what is there stays.
func prepareDemo(ctx context.Context, data string) (*demo, error) {
	data, err := filepath.Abs(data)
	if err != nil {
		return nil, err
	}
	d := &demo{data: data, repo: filepath.Join(data, "environments.git")}
	if d.webhook, err = d.keyFile("webhook-secret"); err != nil {
		return nil, err
	}
	if d.key, err = d.keyFile("encryption-key"); err != nil {
		return nil, err
	}
	if d.forge, err = forgetest.New(filepath.Join(data, "repositories"), []byte(d.webhook)); err != nil {
		return nil, err
	}
	if err := d.environments(ctx); err != nil {
		return nil, fmt.Errorf("preparing the demo: %w", err)
	}
	if d.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("listening for the demo's forge: %w", err)
	}
	if err := os.WriteFile(filepath.Join(data, demoForgeURL), []byte("http://"+d.listener.Addr().String()+"\n"), 0o600); err != nil {
		return nil, fmt.Errorf("saving the address of the demo's forge: %w", err)
	}
	return d, nil
}

// set points the server at the demo's parts.
func (d *demo) set(f *serveFlags) {
	f.environmentsRepo, f.githubAPI, f.localSources = d.repo, "http://"+d.listener.Addr().String()+"/", true
	f.webhookSecrets, f.encryptionKey = d.webhook, d.key
	f.poll = min(f.poll, 2*time.Second)
}

// serve serves the forge until ctx ends.
func (d *demo) serve(ctx context.Context) error {
	s := &http.Server{Handler: d.forge.Handler(), ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() }) // nothing of the demo's forge is in flight that matters
	defer stop()
	if err := s.Serve(d.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving the demo's forge: %w", err)
	}
	return nil
}

// keyFile reads a random key, made at first use.
func (d *demo) keyFile(name string) (string, error) {
	file := filepath.Join(d.data, demoKeys, name)
	data, err := os.ReadFile(file)
	if err == nil {
		return strings.TrimSpace(string(data)), nil
	}
	raw := make([]byte, 32)
	if _, err := rand.Read(raw); err != nil {
		return "", err
	}
	key := hex.EncodeToString(raw)
	return key, d.write(name, []byte(key+"\n"))
}

func (d *demo) write(name string, data []byte) error {
	if err := os.MkdirAll(filepath.Join(d.data, demoKeys), 0o700); err != nil {
		return fmt.Errorf("making the demo's key folder: %w", err)
	}
	if err := os.WriteFile(filepath.Join(d.data, demoKeys, name), data, 0o600); err != nil {
		return fmt.Errorf("saving the demo's %s: %w", name, err)
	}
	return nil
}

// environments makes the bare environments repository with the examples' projects, and their application repositories.
func (d *demo) environments(ctx context.Context) error {
	if _, err := os.Stat(d.repo); err != nil {
		cmd := exec.CommandContext(ctx, "git", "init", "-q", "--bare", "-b", "main", d.repo)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, out)
		}
	}
	repo, err := repository.Open(ctx, repository.Options{URL: d.repo})
	if err != nil {
		return err
	}
	files, err := gitops.InitialFiles(template.FS, d.repo, "main")
	if err != nil {
		return err
	}
	if err := d.projects(ctx, files); err != nil {
		return err
	}
	if repo.Snapshot().Revision() != "" {
		return nil
	}
	certificate, privateKey, err := secrets.GenerateKeyPair(time.Now(), rand.Reader)
	if err != nil {
		return err
	}
	if err := d.write("sealing.key", privateKey); err != nil {
		return err
	}
	files["sealed-secrets.pem"] = certificate
	return repo.Init(ctx, files, repository.Message("Begin the environments repository", "", []repository.Trailer{{Key: "Catalyst-Action", Value: "init"}}))
}

// projects adds each example's project, with the addresses of the demo's forge, and makes its repositories.
func (d *demo) projects(ctx context.Context, files map[string][]byte) error {
	found, err := fs.Glob(examples.FS, "*/project.yaml")
	if err != nil {
		return err
	}
	for _, file := range found {
		data, err := fs.ReadFile(examples.FS, file)
		if err != nil {
			return err
		}
		project := &v1alpha1.Project{}
		if err := v1alpha1.Decode(file, data, project); err != nil {
			return err
		}
		for i, src := range project.Spec.Sources {
			name := strings.TrimPrefix(src.RepositoryURL, "https://github.com/")
			tree, err := exampleFiles(path.Join(path.Dir(file), src.Name))
			if err != nil {
				return err
			}
			if err := d.forge.CreateRepository(ctx, name, tree); err != nil {
				return err
			}
			project.Spec.Sources[i].RepositoryURL = d.forge.CloneURL(name)
		}
		if data, err = v1alpha1.MarshalYAML(project); err != nil {
			return err
		}
		files["projects/"+project.Namespace+"/"+project.Name+".yaml"] = data
	}
	files["teams/acme.yaml"] = []byte("apiVersion: catalyst.catalyst.dev/v1alpha1\nkind: Team\nmetadata:\n  name: acme\nspec:\n  members:\n    - user: github:octocat\n      role: owner\n")
	return nil
}

// exampleFiles are the files of an example's source.
func exampleFiles(dir string) (map[string][]byte, error) {
	files := map[string][]byte{}
	err := fs.WalkDir(examples.FS, dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := fs.ReadFile(examples.FS, p)
		files[strings.TrimPrefix(p, dir+"/")] = data
		return err
	})
	return files, err
}
