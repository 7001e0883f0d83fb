package compose

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// hosts are the names under which Compose's DNS knows the application's services.
type hosts struct {
	// services by name or alias.
	services map[string]string
	// renamed holds the names that Kubernetes does not take, and what the service is called instead.
	renamed map[string]string
}

// reference is a place in a text that names a service as a host.
type reference struct {
	start, end int
	host       string
	// port that is named with it, or that its URL's scheme stands for; 0 for none.
	port int32
	// public says that it is the host of a web address that people use too, which must stay.
	public bool
}

// mention is a text that may name hosts, and where it stands.
type mention struct {
	text string
	// key of the value: the variable's name, or the flag before an argument.
	key string
	// before and after are the neighbours of an argument.
	before, after string
	// prose is set for commands and files, where a bare word is a host only where something says so.
	prose bool
}

var (
	hostKey = regexp.MustCompile(`(?i)(host|hosts|host_?names?|servers?|addr|addresse?s?|endpoints?|ur[il]s?|dsn|brokers?|upstreams?|peers?|nodes?|backends?|seeds?|master|targets?|sentinels?|listen|connect)$`)
	nameKey = regexp.MustCompile(`(?i)(name|db|database|user|pass|password|pwd|schema|bucket|topics?|queues?|project|title|index|keyspace|role|realm|id|secret|token|key|prefix|group|tags?|image|app|module|label|dir|path|file|folder|repository|service|env|environment|mode|type|driver|level|scope|audience|issuer)$`)
	// asksHost are commands whose first argument is a host.
	asksHost  = []string{"ping", "nslookup", "dig", "hosts", "host", "wait-for", "wait-for-it", "-h", "-H", "server"}
	nginxPool = regexp.MustCompile(`(?m)\bupstream\s+([A-Za-z0-9._-]+)\s*\{`)
)

// schemes are the ports that URLs leave out.
var schemes = map[string]int32{
	"http": 80, "ws": 80, "https": 443, "wss": 443, "postgres": 5432, "postgresql": 5432, "mysql": 3306, "mariadb": 3306,
	"redis": 6379, "rediss": 6379, "amqp": 5672, "amqps": 5671, "mongodb": 27017, "nats": 4222, "ldap": 389, "smtp": 25,
}

// references finds the places of a text that name a service as a host: in URLs, with a port, and alone where the key, the
// flag or the command before it says that a host stands there. A database or a user of the same name is none.
func (h hosts) references(m mention) []reference {
	var found []reference
	pools := map[string]bool{}
	if m.prose {
		for _, p := range nginxPool.FindAllStringSubmatch(m.text, 100) {
			pools[p[1]] = true
		}
	}
	for start := 0; start < len(m.text); {
		if !isHostByte(m.text[start]) {
			start++
			continue
		}
		end := start
		for end < len(m.text) && isHostByte(m.text[end]) {
			end++
		}
		host := strings.TrimRight(m.text[start:end], ".")
		if _, known := h.services[host]; known {
			if port, ok := m.names(start, start+len(host), pools[host]); ok {
				found = append(found, reference{start, start + len(host), host, port, m.isPublic(start, start+len(host))})
			}
		}
		start = end
	}
	return found
}

// privateZones are top-level names that nobody outside uses.
var privateZones = []string{"internal", "local", "localdomain", "lan", "docker", "test", "home", "corp", "intranet", "private", "svc"}

// isPublic reports whether a host is that of a web address without a port and under a public domain: an issuer, a
// callback, a link. An alias may lead it to a proxy inside, but its name is part of what it says.
func (m mention) isPublic(start, end int) bool {
	host := m.text[start:end]
	zone := strings.ToLower(host[strings.LastIndexByte(host, '.')+1:])
	if !strings.Contains(host, ".") || zone == "" || slices.Contains(privateZones, zone) || zone[0] <= '9' || portAfter(m.text[end:]) != 0 {
		return false
	}
	before := m.text[:start]
	return strings.HasSuffix(before, "http://") || strings.HasSuffix(before, "https://")
}

func isHostByte(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '-' || b == '_' || b == '.'
}

// names decides whether the word at start is a host. pool says that the text gives the word a meaning of its own.
func (m mention) names(start, end int, pool bool) (port int32, ok bool) {
	port = portAfter(m.text[end:])
	from := max(start-512, 0)
	if i := strings.LastIndex(m.text[from:start], "//"); i >= 0 && !strings.ContainsAny(m.text[from+i+2:start], "/?# \t\r\n\"'`<>") {
		authority := m.text[end:]
		if j := strings.IndexAny(authority, "/?# \t\r\n\"'`<>)"); j >= 0 {
			authority = authority[:j]
		}
		previous := m.text[start-1]
		if strings.Contains(authority, "@") || previous != '/' && previous != '@' && previous != ',' || pool && port == 0 {
			return 0, false
		}
		if port == 0 {
			port = schemes[schemeBefore(m.text[from:from+i])]
		}
		return port, authority == "" || strings.ContainsRune(":,;", rune(authority[0]))
	}
	switch {
	case port != 0:
		return port, start == 0 || strings.ContainsRune(" \t\n\"'`=,;([{|@!-", rune(m.text[start-1]))
	case pool && m.word(start) != "server":
		return 0, false
	}
	return 0, m.alone(start, end)
}

func portAfter(s string) int32 {
	if !strings.HasPrefix(s, ":") {
		return 0
	}
	end := 1
	for end < len(s) && end < 7 && s[end] >= '0' && s[end] <= '9' {
		end++
	}
	n, err := strconv.ParseInt(s[1:end], 10, 32)
	if err != nil || n < 1 || n > 65535 || end < len(s) && (isHostByte(s[end]) && s[end] != '.' || s[end] == '@') {
		return 0
	}
	if end+1 < len(s) && s[end] == '.' && isHostByte(s[end+1]) {
		return 0 // a version
	}
	return int32(n)
}

func schemeBefore(s string) string {
	s = strings.TrimSuffix(s, ":")
	i := len(s)
	for i > 0 && (s[i-1] >= 'a' && s[i-1] <= 'z') {
		i--
	}
	return s[i:]
}

// alone decides on a word without URL and port.
func (m mention) alone(start, end int) bool {
	const open, shut = " \t\n\"'`=,;[(|@:", " \t\r\n\"'`,;])|/}"
	if start > 0 && !strings.ContainsRune(open, rune(m.text[start-1])) || end < len(m.text) && !strings.ContainsRune(shut, rune(m.text[end])) {
		return false
	}
	if start > 0 && m.text[start-1] == '@' {
		return true
	}
	if end < len(m.text) && m.text[end] == '/' {
		return false
	}
	if m.prose {
		word := m.word(start)
		return slices.Contains(asksHost, word) || hostKey.MatchString(strings.TrimLeft(word, "-")) && word != "" || portNumber(m.next(end)) != 0
	}
	key := m.key
	if start > 0 && m.text[start-1] == '=' {
		key = m.word(start)
	}
	if hostKey.MatchString(key) {
		return true
	}
	return !nameKey.MatchString(key) && start == 0 && end == len(m.text)
}

// word before a place: the key, flag or command that it belongs to.
func (m mention) word(start int) string {
	from := max(start-128, 0)
	s := strings.TrimRight(m.text[from:start], " \t\"'`=:[({")
	if s == "" {
		return strings.TrimRight(m.before, "=")
	}
	i := strings.LastIndexFunc(s, func(r rune) bool { return !(r < 128 && isHostByte(byte(r))) })
	return s[i+1:]
}

func (m mention) next(end int) string {
	s := strings.TrimLeft(m.text[end:min(end+16, len(m.text))], " \t\"'")
	if s == "" {
		return m.after
	}
	if i := strings.IndexAny(s, " \t\n;&|\"'"); i >= 0 {
		s = s[:i]
	}
	return s
}

// rename writes the new names over the old ones; changed lists the old names that stood in the text.
func (h hosts) rename(m mention) (text string, changed []string) {
	if len(h.renamed) == 0 {
		return m.text, nil
	}
	var b strings.Builder
	at := 0
	for _, r := range h.references(m) {
		name, ok := h.renamed[r.host]
		if !ok || r.public {
			continue
		}
		b.WriteString(m.text[at:r.start] + name)
		at = r.end
		if !slices.Contains(changed, r.host) {
			changed = append(changed, r.host)
		}
	}
	b.WriteString(m.text[at:])
	return b.String(), changed
}
