package compose

import (
	"path"
	"regexp"
	"strings"

	composetypes "github.com/compose-spec/compose-go/v2/types"
)

var (
	localURL = regexp.MustCompile(`(https?)://(?:[^@/\s]*@)?(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\])(?::([0-9]{1,5}))?(?:[/\s"'?;|]|$)`)
	localTCP = regexp.MustCompile(`(?:^|[\s"'=@/(])(?:localhost|127\.0\.0\.1|0\.0\.0\.0)(?::|/|\s+)([0-9]{1,5})(?:[^0-9.]|$)`)
	portFlag = regexp.MustCompile(`(?:^|\s)(?:-p|-P|--port)[= ]?([0-9]{1,5})(?:\s|$)`)
	tool     = regexp.MustCompile(`(?:^|[\s;&|(/"'])(pg_isready|mysqladmin|mariadb-admin|redis-cli|valkey-cli|mongosh|mongo|rabbitmq-diagnostics|rabbitmqctl)(?:[\s"']|$)`)
)

// toolPorts are what the tools of well-known servers speak to when nothing else is said.
var toolPorts = map[string]int32{
	"pg_isready": 5432, "mysqladmin": 3306, "mariadb-admin": 3306, "redis-cli": 6379, "valkey-cli": 6379,
	"mongosh": 27017, "mongo": 27017, "rabbitmq-diagnostics": 5672, "rabbitmqctl": 5672,
}

// healthPorts are the TCP ports of its own that a service's health check speaks to. byTool says that a well-known server's
// own tool does, so that they are the server's.
func healthPorts(h *composetypes.HealthCheckConfig) (out []int32, byTool bool) {
	if !isChecked(h) || len(h.Test) < 2 {
		return nil, false
	}
	text := strings.Join(h.Test[1:], " ")
	add := func(s string) bool {
		n := portNumber(s)
		if n != 0 {
			out = append(out, n)
		}
		return n != 0
	}
	for _, m := range localURL.FindAllStringSubmatch(text, 10) {
		if m[2] == "" {
			m[2] = map[string]string{"http": "80", "https": "443"}[m[1]]
		}
		add(m[2])
	}
	for _, m := range localTCP.FindAllStringSubmatch(text, 10) {
		add(m[1])
	}
	if len(out) > 0 {
		return out, false
	}
	if m := tool.FindStringSubmatch(text); m != nil {
		if flag := portFlag.FindStringSubmatch(text); flag != nil && add(flag[1]) {
			return out, true
		}
		out = append(out, toolPorts[path.Base(m[1])])
	}
	return out, true
}

// isChecked reports whether Docker would check the service's health.
func isChecked(h *composetypes.HealthCheckConfig) bool {
	return h != nil && !h.Disable && len(h.Test) > 0 && h.Test[0] != "NONE"
}
