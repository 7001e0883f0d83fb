package composefaults

import (
	"maps"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	composetypes "github.com/compose-spec/compose-go/v2/types"
)

// secretFiles checks that each secret and config of Compose can be read at its path.
func (c *checker) secretFiles(svc composetypes.ServiceConfig, at place) {
	for _, secret := range svc.Secrets {
		target := secret.Target
		if target == "" {
			target = secret.Source
		}
		if !path.IsAbs(target) {
			target = path.Join("/run/secrets", target)
		}
		file := c.objects.file(at, target)
		if file.kind != "secret" {
			c.fault(Secret, svc.Name, "secret %s is not a file at %s but %s", secret.Source, target, file)
			continue
		}
		if user, _, _ := strings.Cut(svc.User, ":"); user != "" && user != "0" && user != "root" && file.mode&0o004 == 0 && at.workload.pod.Spec.SecurityContext.FSGroup == nil {
			c.fault(Secret, svc.Name, "secret %s has mode %o and user %s cannot read it", secret.Source, file.mode, user)
		}
		if want := textFile(c.project.Secrets[secret.Source].File); want != "" && string(file.content) != unseen && string(file.content) != want {
			c.fault(Secret, svc.Name, "secret %s at %s has another content", secret.Source, target)
		}
	}
	for _, config := range svc.Configs {
		target := config.Target
		if target == "" {
			target = "/" + config.Source
		}
		declared := c.project.Configs[config.Source]
		file := c.objects.file(at, target)
		want := declared.Content
		if declared.File != "" {
			want = textFile(declared.File)
		}
		if file.kind == "" && !c.told(svc.Name, "configs") {
			c.fault(Secret, svc.Name, "config %s is not at %s", config.Source, target)
		}
		if want != "" {
			c.content(svc.Name, target, file, want)
		}
	}
}

var (
	secretName = regexp.MustCompile(`(?i)PASSW|(^|_)PASS$|(^|_)PWD$|SECRET|TOKEN|API_?KEY|_KEY$|CREDENTIAL`)
	notSecret  = regexp.MustCompile(`(?i)(_FILE|_PATH|_DIR|_URL|_URI|_HOST|_PORT|_NAME|_ID|_TTL|_EXPIR\w*|_LENGTH|_ENABLED|PUBLIC_KEY)$`)
	// harmless are values that no one keeps secret: switches, numbers, places.
	harmless = regexp.MustCompile(`(?i)^(true|false|yes|no|none|null|enabled?|disabled?|required|optional|[\d.]+[smhd]?|[./~].*|[a-z]+://[^@]*)$`)
	word     = regexp.MustCompile(`[A-Za-z0-9_-]+`)
)

// plaintext checks that the values of secret-looking variables stand nowhere. A value that the file also uses for something that
// is no secret, such as "postgres", is none.
func (c *checker) plaintext() {
	ordinary := c.ordinary()
	for _, name := range c.project.ServiceNames() {
		svc := c.project.Services[name]
		for variable, value := range svc.Environment {
			if value == nil {
				continue
			}
			for _, secret := range secretsIn(variable, *value) {
				if len(secret) < 4 || harmless.MatchString(secret) || ordinary[strings.ToLower(secret)] {
					continue
				}
				for _, file := range slices.Sorted(maps.Keys(c.objects.texts)) {
					if slices.ContainsFunc(c.objects.texts[file], func(text string) bool { return stands(text, secret) }) {
						c.fault(Plaintext, name, "the value of %s stands in %s", variable, file)
					}
				}
			}
		}
	}
}

// secretsIn are the secret parts of a variable: all of it by its name, or the password of a URL.
func secretsIn(variable, value string) []string {
	if secretName.MatchString(variable) && !notSecret.MatchString(variable) {
		return []string{value}
	}
	if parsed, err := url.Parse(value); err == nil && parsed.User != nil {
		if password, ok := parsed.User.Password(); ok {
			return []string{password}
		}
	}
	return nil
}

// ordinary are the words that the file uses where no secret is: names, images, other variables, ports.
func (c *checker) ordinary() map[string]bool {
	words := map[string]bool{}
	add := func(texts ...string) {
		for _, text := range texts {
			for _, w := range append(word.FindAllString(text, -1), text) {
				words[strings.ToLower(w)] = true
			}
		}
	}
	for name, svc := range c.project.Services {
		add(name, svc.ContainerName, svc.Hostname, svc.Image)
		for _, volume := range svc.Volumes {
			add(volume.Target)
		}
		for variable, value := range svc.Environment {
			add(variable)
			if value != nil && len(secretsIn(variable, *value)) == 0 {
				words[strings.ToLower(*value)] = true // only as a whole: a secret may be a part
			}
			if value != nil {
				if parsed, err := url.Parse(*value); err == nil && parsed.Host != "" {
					add(parsed.Scheme, parsed.Host, parsed.Path)
				}
			}
		}
	}
	for name := range c.project.Volumes {
		add(name)
	}
	return words
}

// stands reports whether a text holds a secret as a word of its own, or anywhere when it is long.
func stands(text, secret string) bool {
	for at := 0; ; {
		i := strings.Index(text[at:], secret)
		if i < 0 {
			return false
		}
		start, end := at+i, at+i+len(secret)
		if len(secret) >= 12 || boundary(text, start-1) && boundary(text, end) {
			return true
		}
		at = start + 1
	}
}

func boundary(text string, i int) bool {
	return i < 0 || i >= len(text) || !word.MatchString(text[i:i+1])
}

// octal is a volume's file mode, with Kubernetes' default.
func octal(mode *int32) int64 {
	if mode == nil {
		return 0o644
	}
	return int64(*mode)
}
