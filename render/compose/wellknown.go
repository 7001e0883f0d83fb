package compose

import (
	"path"
	"strings"

	composetypes "github.com/compose-spec/compose-go/v2/types"
)

// server is a well-known image that serves ports which its Compose service need not name.
type server struct {
	ports []int32
	// command that the image runs; a service that runs another program of the image is no server.
	command []string
	// backing servers are reached by other services, whatever the service publishes for people beside it.
	backing bool
}

// servers are the well-known public images by the last part of their name.
var servers = map[string]server{
	"postgres": {[]int32{5432}, []string{"postgres"}, true}, "postgis": {[]int32{5432}, []string{"postgres"}, true},
	"pgvector": {[]int32{5432}, []string{"postgres"}, true}, "timescaledb": {[]int32{5432}, []string{"postgres"}, true},
	"postgresql": {[]int32{5432}, []string{"postgres"}, true}, "pgbouncer": {[]int32{5432}, []string{"pgbouncer"}, true},
	"mysql": {[]int32{3306}, []string{"mysqld"}, true}, "mysql-server": {[]int32{3306}, []string{"mysqld"}, true},
	"mariadb": {[]int32{3306}, []string{"mariadbd", "mysqld"}, true}, "percona": {[]int32{3306}, []string{"mysqld"}, true},
	"redis": {[]int32{6379}, []string{"redis-server"}, true}, "redis-stack": {[]int32{6379}, nil, true},
	"redis-stack-server": {[]int32{6379}, nil, true}, "valkey": {[]int32{6379}, []string{"valkey-server"}, true},
	"keydb": {[]int32{6379}, []string{"keydb-server"}, true}, "dragonfly": {[]int32{6379}, []string{"dragonfly"}, true},
	"mongo": {[]int32{27017}, []string{"mongod"}, true}, "mongodb": {[]int32{27017}, []string{"mongod"}, true},
	"mongodb-community-server": {[]int32{27017}, []string{"mongod"}, true},
	"rabbitmq":                 {[]int32{5672}, []string{"rabbitmq-server"}, true}, "memcached": {[]int32{11211}, []string{"memcached"}, true},
	"nats": {[]int32{4222}, []string{"nats-server"}, true}, "eclipse-mosquitto": {[]int32{1883}, nil, true}, //nolint:misspell // the image is called so
	"elasticsearch": {[]int32{9200}, []string{"eswrapper", "elasticsearch"}, true}, "opensearch": {[]int32{9200}, nil, true},
	"minio": {[]int32{9000}, []string{"minio", "server"}, true}, "zookeeper": {[]int32{2181}, nil, true},
	"cp-zookeeper": {[]int32{2181}, nil, true}, "kafka": {[]int32{9092}, nil, true}, "cp-kafka": {[]int32{9092}, nil, true},
	"clickhouse-server": {[]int32{8123, 9000}, nil, true}, "clickhouse": {[]int32{8123, 9000}, nil, true},
	"influxdb": {[]int32{8086}, []string{"influxd"}, true}, "cassandra": {[]int32{9042}, []string{"cassandra"}, true},
	"neo4j": {[]int32{7474, 7687}, []string{"neo4j"}, true}, "couchdb": {[]int32{5984}, nil, true}, "cockroach": {[]int32{26257}, nil, true},
	"etcd": {[]int32{2379}, []string{"etcd"}, true}, "consul": {[]int32{8500}, []string{"agent", "consul"}, true},
	"vault": {[]int32{8200}, []string{"server", "vault"}, true}, "meilisearch": {[]int32{7700}, nil, true},
	"typesense": {[]int32{8108}, nil, true}, "qdrant": {[]int32{6333, 6334}, nil, true}, "chroma": {[]int32{8000}, nil, true},
	"ollama":  {[]int32{11434}, []string{"serve", "ollama"}, true},
	"mailhog": {[]int32{1025, 8025}, nil, true}, "mailpit": {[]int32{1025, 8025}, nil, true},
	"nginx": {[]int32{80}, []string{"nginx"}, false}, "httpd": {[]int32{80}, []string{"httpd-foreground", "httpd"}, false},
	"caddy": {[]int32{80}, []string{"caddy"}, false}, "traefik": {[]int32{80}, []string{"traefik"}, false},
	"openresty": {[]int32{80}, []string{"nginx", "openresty"}, false}, "nginx-unprivileged": {[]int32{8080}, []string{"nginx"}, false},
	"wordpress": {[]int32{80}, []string{"apache2-foreground"}, false}, "nextcloud": {[]int32{80}, []string{"apache2-foreground"}, false},
	"drupal": {[]int32{80}, []string{"apache2-foreground"}, false}, "joomla": {[]int32{80}, []string{"apache2-foreground"}, false},
	"ghost": {[]int32{2368}, []string{"node"}, false}, "adminer": {[]int32{8080}, nil, false}, "phpmyadmin": {[]int32{80}, nil, false},
	"pgadmin4": {[]int32{80}, nil, false}, "mongo-express": {[]int32{8081}, nil, false}, "tomcat": {[]int32{8080}, []string{"catalina.sh"}, false},
	"grafana": {[]int32{3000}, nil, false}, "prometheus": {[]int32{9090}, nil, false}, "alertmanager": {[]int32{9093}, nil, false},
	"node-exporter": {[]int32{9100}, nil, false}, "cadvisor": {[]int32{8080}, nil, false}, "loki": {[]int32{3100}, nil, false},
	"kibana": {[]int32{5601}, nil, false}, "registry": {[]int32{5000}, nil, false}, "gitea": {[]int32{3000, 22}, nil, false},
	"keycloak": {[]int32{8080}, []string{"start", "start-dev"}, false}, "n8n": {[]int32{5678}, nil, false}, "jenkins": {[]int32{8080}, nil, false},
	"sonarqube": {[]int32{9000}, nil, false}, "solr": {[]int32{8983}, nil, false}, "whoami": {[]int32{80}, nil, false},
}

// imageName is the last part of an image's name, without tag and digest.
func imageName(image string) string {
	image, _, _ = strings.Cut(image, "@")
	name, _, _ := strings.Cut(path.Base(image), ":")
	return strings.ToLower(name)
}

// wellKnown is what is known of an image when the service runs its server: without a command, with flags for it, or by
// its name.
func wellKnown(image string, svc composetypes.ServiceConfig) (server, bool) {
	s, known := servers[imageName(image)]
	if !known || len(s.ports) == 0 {
		return server{}, false
	}
	words := append(append([]string{}, svc.Entrypoint...), svc.Command...)
	if len(words) == 0 || strings.HasPrefix(words[0], "-") {
		return s, true
	}
	if s.command == nil {
		return s, len(svc.Entrypoint) == 0
	}
	text := " " + strings.Join(words, " ") + " "
	for _, c := range s.command {
		if strings.Contains(text, " "+c+" ") || strings.Contains(text, "/"+c+" ") {
			return s, true
		}
	}
	if imageName(image) == "nginx" && strings.Contains(text, "nginx") {
		return s, true
	}
	return server{}, false
}
