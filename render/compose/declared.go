package compose

import (
	"fmt"
	"strings"

	composetypes "github.com/compose-spec/compose-go/v2/types"
)

// declaredEntrances are those of x-catalyst.ingress: true, a mapping of port, host and path, or a list of such. They are
// checked once, by checkEntrances.
func (t *translation) declaredEntrances(svc composetypes.ServiceConfig) []entrance {
	return t.declared[svc.Name]
}

// declaresNone reports whether x-catalyst.ingress is false.
func (t *translation) declaresNone(svc composetypes.ServiceConfig) bool {
	return ownKeys(svc.Extensions)["ingress"] == false
}

// ownKeys are what x-catalyst of a service or a volume says.
func ownKeys(extensions composetypes.Extensions) map[string]any {
	own, _ := extensions["x-catalyst"].(map[string]any)
	return own
}

// checkEntrances reads x-catalyst.ingress of every service.
func (t *translation) checkEntrances() {
	t.declared = map[string][]entrance{}
	for _, svc := range t.services() {
		const key = "x-catalyst.ingress"
		switch v := ownKeys(svc.Extensions)["ingress"].(type) {
		case nil:
		case bool:
			if v {
				t.declared[svc.Name] = []entrance{{service: svc.Name, rank: rankDeclared}}
			}
		case map[string]any:
			t.declare(svc.Name, key, v)
		case []any:
			for i, item := range v {
				m, ok := item.(map[string]any)
				if !ok {
					t.refuseKey(svc.Name, fmt.Sprintf("%s[%d]", key, i), "not a mapping", "write {port: 8080}")
					continue
				}
				t.declare(svc.Name, fmt.Sprintf("%s[%d]", key, i), m)
			}
		default:
			t.refuseKey(svc.Name, key, "neither a truth value nor a mapping", "write true, false, or {port: 8080}")
		}
	}
}

func (t *translation) declare(service, key string, m map[string]any) {
	e := entrance{service: service, rank: rankDeclared}
	for _, k := range sortedKeys(m) {
		text, isText := m[k].(string)
		switch k {
		case "port":
			n, ok := wholeNumber(m[k])
			if isText {
				n, ok = int64(portNumber(text)), true
			}
			if !ok || n < 1 || n > 65535 {
				t.refuseKey(service, key+".port", fmt.Sprintf("%v is no port", m[k]), "name a container port between 1 and 65535")
				return
			}
			e.port = int32(n)
		case "host":
			host, ok := t.ownHost(text)
			if !ok {
				t.refuseKey(service, key+".host", fmt.Sprintf("the host %v does not lie under the environment's own, %s", m[k], t.in.Host), "use ${CATALYST_HOST}, a name under it such as admin.${CATALYST_HOST}, or its first part: admin")
				return
			}
			e.host = host
		case "path":
			if e.path = cleanPath(text); !isText || e.path == "" && text != "/" {
				t.refuseKey(service, key+".path", fmt.Sprintf("%v is no path", m[k]), "write it as /api")
				return
			}
		default:
			t.refuseKey(service, key+"."+k, "there is no such key", "use port, host and path")
			return
		}
	}
	t.declared[service] = append(t.declared[service], e)
}

// ownHost completes a host that stands under the environment's own. Without one there are no Ingresses, and no host is wrong.
func (t *translation) ownHost(s string) (string, bool) {
	host := cleanHost(s)
	own := strings.ToLower(t.in.Host)
	switch {
	case host == "" || host != strings.ToLower(s):
		return "", false
	case own == "" || host == own:
		return host, true
	case !strings.Contains(host, "."):
		host += "." + own
	}
	return host, strings.HasSuffix(host, "."+own) && len(host) <= maxHost
}
