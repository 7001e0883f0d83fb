// Package composeapp finds Compose applications of the world, and asks this program to render them.
package composeapp

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"catalyst.dev/catalyst/secrets"
	"catalyst.dev/catalyst/test/corpus"
)

// App is a folder with a Compose file.
type App struct {
	// Name is the folder's; Dir is absolute; File is relative to it.
	Name, Dir, File string
}

// Refusable are the applications of the shared corpus that ask for what no tenant of a shared cluster gets unless the Platform
// makes an exception: the Docker socket, kernel capabilities, host networking.
var Refusable = map[string]bool{"portainer": true, "traefik-golang": true, "wireguard": true, "pihole-cloudflared-DoH": true}

// fileNames are those that Compose looks for, in its order.
var fileNames = []string{"compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"}

// Shared are the Compose applications of the corpus.
func Shared(t testing.TB) []App {
	t.Helper()
	apps, err := In(corpus.Path(t, "corpus/compose"))
	if err != nil || len(apps) == 0 {
		t.Fatalf("the corpus has no application: %v", err)
	}
	return apps
}

// In lists the applications that are the folders of a folder.
func In(dir string) ([]App, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var apps []App
	for _, entry := range entries {
		for _, name := range fileNames {
			if _, err := os.Stat(filepath.Join(dir, entry.Name(), name)); err == nil {
				apps = append(apps, App{Name: entry.Name(), Dir: filepath.Join(dir, entry.Name()), File: name})
				break
			}
		}
	}
	return apps, nil
}

const (
	project = `apiVersion: catalyst.catalyst.dev/v1alpha1
kind: Project
metadata: {name: %s, namespace: corpus}
spec:
  sources: [{name: web, repositoryUrl: "https://github.com/docker/awesome-compose"}]
  templates:
    development: {type: docker-compose, path: %s}
`
	environment = `apiVersion: catalyst.catalyst.dev/v1alpha1
kind: Environment
metadata: {name: pr-1, namespace: corpus-%[1]s}
spec:
  projectRef: {name: %[1]s}
  sources: [{name: web, branch: main, commitSha: 18f59bdb09ecf520dd5758fbf90dec314baec545}]
`
	platform = `apiVersion: catalyst.catalyst.dev/v1alpha1
kind: Platform
metadata: {name: catalyst}
spec:
  domain: catalyst.localhost
  registry: registry.catalyst.localhost
  ingress: {className: nginx}
  policy:
    podSecurity: baseline
    exceptions: [{projects: [corpus/%s], podSecurity: privileged}]
`
)

// RenderArgs are the arguments that render the application, but for the output. The documents are written for the test.
func (a App) RenderArgs(t testing.TB) []string {
	t.Helper()
	dir := t.TempDir()
	name := a.projectName()
	return []string{"render", "-f", write(t, dir, "project.yaml", fmt.Sprintf(project, name, a.File)),
		"-f", write(t, dir, "environment.yaml", fmt.Sprintf(environment, name)), "--source", "web=" + a.Dir}
}

// PrivilegedRenderArgs are RenderArgs on a Platform that makes an exception for the application.
func (a App) PrivilegedRenderArgs(t testing.TB) []string {
	t.Helper()
	return append(a.RenderArgs(t), "-f", write(t, t.TempDir(), "catalyst.yaml", fmt.Sprintf(platform, a.projectName())))
}

// Variables are those that the program provides to the application, of which Docker knows nothing.
func (a App) Variables() map[string]string {
	namespace := "corpus-" + a.projectName() + "-pr-1"
	host := namespace + ".catalyst.localhost"
	return map[string]string{"CATALYST_URL": "http://" + host, "CATALYST_HOST": host, "CATALYST_NAMESPACE": namespace,
		"CATALYST_TEAM": "corpus", "CATALYST_PROJECT": a.projectName(), "CATALYST_ENVIRONMENT": "pr-1"}
}

// Certificate writes a certificate to seal with, and returns its file and the key that opens what was sealed.
func Certificate(t testing.TB) (string, *rsa.PrivateKey) {
	t.Helper()
	certificate, key, err := secrets.GenerateKeyPair(time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(key)
	private, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return write(t, t.TempDir(), "sealed-secrets.pem", string(certificate)), private
}

var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

// projectName is the application's as Kubernetes takes it, short and still unique.
func (a App) projectName() string {
	name := strings.Trim(notInNames.ReplaceAllString(strings.ToLower(a.Name), "-"), "-")
	if len(name) <= 30 {
		return name
	}
	return fmt.Sprintf("%s-%x", strings.Trim(name[:24], "-"), sha256.Sum256([]byte(a.Name)))[:31]
}

func write(t testing.TB, dir, name, content string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}
