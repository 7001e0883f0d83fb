package compose

import (
	"fmt"
	"strings"
)

// renamed writes the new names of services whose own Kubernetes does not take, where a value names the host.
func (t *translation) renamed(service, name, value string) string {
	if len(t.renames) == 0 {
		return value
	}
	var b strings.Builder
	at := 0
	for at < len(value) {
		end := at
		for end < len(value) && !strings.ContainsRune("/@,= :;", rune(value[end])) {
			end++
		}
		host := value[at:end]
		next, changed := t.renames[host]
		if changed && (at == 0 || value[at-1] != ':' && value[at-1] != ';') && (end == len(value) || value[end] != '@' && value[end] != '=') {
			t.note(service, "environment."+name, approximated, fmt.Sprintf("the host %q is called %q: Kubernetes names are DNS labels", host, next))
			host = next
		}
		b.WriteString(host)
		if end < len(value) {
			b.WriteByte(value[end])
		}
		at = end + 1
	}
	return b.String()
}

// findRenames finds the services whose own name Kubernetes does not take.
func (t *translation) findRenames() {
	t.renames = map[string]string{}
	for service, name := range t.names {
		if name != service {
			t.renames[service] = name
		}
	}
}
