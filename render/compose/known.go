package compose

import "strings"

// knownSecrets are the secret values that the application's variables hold. They are looked for in all other texts.
type knownSecrets struct {
	values []string
	// any replaces one of the values: its search costs no more for many of them.
	any *strings.Replacer
}

// leastKnown is the length from which a value is looked for: "root" or "admin" stands everywhere.
const leastKnown = 6

// newKnownSecrets drops the values that the application says in public too.
func newKnownSecrets(secret map[string]bool, public []string) knownSecrets {
	said := strings.Join(public, "\n")
	var k knownSecrets
	var pairs []string
	for _, value := range sortedKeys(secret) {
		if len(value) < leastKnown || isNumber(value) || isPlaceholder(value) || strings.Contains(said, value) {
			continue
		}
		k.values = append(k.values, value)
		pairs = append(pairs, value, "")
	}
	if len(pairs) > 0 {
		k.any = strings.NewReplacer(pairs...)
	}
	return k
}

// spans where a text holds one of the values as a word of its own.
func (k knownSecrets) spans(text string) []span {
	if k.any == nil || len(k.any.Replace(text)) == len(text) {
		return nil
	}
	var found []span
	for _, value := range k.values {
		for at := 0; ; {
			i := strings.Index(text[at:], value)
			if i < 0 {
				break
			}
			s := span{at + i, at + i + len(value)}
			if (s.start == 0 || !isWord(text[s.start-1])) && (s.end == len(text) || !isWord(text[s.end])) {
				found = append(found, s)
			}
			at = s.end
		}
	}
	return found
}

func (k knownSecrets) in(text string) bool { return len(k.spans(text)) > 0 }

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// learn collects the secret values of all services before the first is translated, as one may name another's.
func (t *translation) learn() {
	secret := map[string]bool{}
	var public []string
	found := len(t.errs)
	defer func() { t.errs = t.errs[:found] }() // what is wrong is said when the service is translated
	for _, svc := range t.services() {
		public = append(public, svc.Name, svc.Image)
		values, _ := t.environmentValues(svc)
		for _, name := range sortedKeys(values) {
			switch value := values[name]; {
			case !looksSecret(name, value):
				public = append(public, value)
			case isSecretName(name):
				secret[value] = true
			default:
				for _, s := range secretSpans(value) {
					secret[value[s.start:s.end]] = true
				}
			}
		}
	}
	t.known = newKnownSecrets(secret, public)
}
