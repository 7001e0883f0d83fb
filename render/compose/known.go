package compose

import (
	"slices"
	"strings"
)

// knownSecrets are the secret values that the application's variables hold. They are looked for in all other texts.
type knownSecrets struct {
	// around puts foundStart and foundEnd around each: its search costs no more for many values.
	around *strings.Replacer
}

const (
	// leastKnown is the length from which a value is looked for: "root" or "admin" stands everywhere.
	leastKnown = 6
	// foundStart and foundEnd are of the runes that stand for nothing.
	foundStart = "\uE0C7"
	foundEnd   = "\uE0C8"
)

// newKnownSecrets drops the values that the application says in public too.
func newKnownSecrets(secret map[string]bool, public []string) knownSecrets {
	said := strings.Join(public, "\n")
	values := sortedKeys(secret)
	slices.SortStableFunc(values, func(a, b string) int { return len(b) - len(a) }) // the longest wins
	var pairs []string
	for _, value := range values {
		if len(value) < leastKnown || isNumber(value) || isReference(value) || slices.Contains(public, value) {
			continue
		}
		if isOrdinaryWord(value) && strings.Contains(said, value) {
			continue
		}
		pairs = append(pairs, value, foundStart+value+foundEnd)
	}
	if len(pairs) == 0 {
		return knownSecrets{}
	}
	return knownSecrets{around: strings.NewReplacer(pairs...)}
}

// isOrdinaryWord reports whether a value is made of lower-case letters alone, and so may stand in other texts by chance.
func isOrdinaryWord(value string) bool {
	return strings.IndexFunc(value, func(r rune) bool { return r < 'a' || r > 'z' }) < 0
}

// spans where a text holds one of the values as a word of its own.
func (k knownSecrets) spans(text string) []span {
	if k.around == nil {
		return nil
	}
	text = strings.NewReplacer(foundStart, "???", foundEnd, "???").Replace(text) // of the same length
	var found []span
	at := 0
	for i, piece := range strings.Split(k.around.Replace(text), foundStart) {
		value, rest, _ := strings.Cut(piece, foundEnd)
		if i == 0 {
			at = len(piece)
			continue
		}
		s := span{at, at + len(value)}
		if isStrong(value) || opensWord(text[:s.start]) && (s.end == len(text) || !isWord(text[s.end])) {
			found = append(found, s)
		}
		at = s.end + len(rest)
	}
	return found
}

// isStrong reports whether a value is long and mixed enough to stand nowhere by chance.
func isStrong(value string) bool {
	return len(value) >= 8 && strings.ContainsAny(value, "0123456789") && strings.IndexFunc(value, func(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }) >= 0
}

// opensWord reports whether a word begins after a text, which [ x$PASSWORD = x ] begins with a letter.
func opensWord(text string) bool {
	n := len(text)
	return n == 0 || !isWord(text[n-1]) || text[n-1] == 'x' && (n == 1 || text[n-2] == ' ' || text[n-2] == '"')
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
				for _, s := range valueSpans(value) {
					secret[value[s.start:s.end]] = true
				}
			}
		}
	}
	t.known = newKnownSecrets(secret, public)
}
