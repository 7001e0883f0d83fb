package compose_test

import (
	"strings"
	"testing"
)

// A hook's mounts are its own, and hold no less.
func TestSecretsOfHooksMountsAreSealed(t *testing.T) {
	a := translate(t, `
services:
  web:
    image: x
    volumes: ["./app.conf:/etc/app.conf"]
    pre_start:
      - {image: y, command: [migrate], per_replica: true, volumes: ["./app.conf:/etc/other.conf"]}
      - {image: y, command: [migrate], volumes: ["./hook.conf:/etc/hook.conf"]}
`, map[string]string{"app.conf": "password: s3cret-value-1\n", "hook.conf": "password: s3cret-value-2\n"}, nil)
	if text := a.texts(t); strings.Contains(text, "s3cret") {
		t.Errorf("a secret stands in a manifest:\n%s", text)
	}
}
