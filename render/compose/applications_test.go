package compose_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// shape is a small application of a well-known shape, and what must be true of it in Kubernetes.
type shape struct {
	name, text string
	files      map[string]string
	// reach are the addresses that its containers use: each must be a port of a Service.
	reach []string
	// jobs run to their end; kept are all other workloads.
	jobs, kept []string
	// main is the backend of the entrance.
	main string
}

var applications = []shape{
	{name: "Django with workers", text: `
services:
  web: &app
    build: .
    command: gunicorn shop.wsgi -b 0.0.0.0:8000
    environment: {DATABASE_URL: "postgres://shop:pw@shop_db:5432/shop", CELERY_BROKER_URL: "redis://shop_redis:6379/0"}
    expose: [8000]
    depends_on: {migrate: {condition: service_completed_successfully}, shop_redis: {condition: service_started}}
  migrate: {<<: *app, command: python manage.py migrate, restart: "no", expose: [], depends_on: {shop_db: {condition: service_healthy}}}
  celery_worker: {<<: *app, command: "celery -A shop worker", expose: []}
  celery_beat: {<<: *app, command: "celery -A shop beat", expose: []}
  shop_db: {image: "postgres:17", healthcheck: {test: ["CMD-SHELL", "pg_isready -U shop"]}}
  shop_redis: {image: "redis:7-alpine"}
  nginx: {image: "nginx:1.29", ports: ["8080:80"], volumes: ["./nginx.conf:/etc/nginx/conf.d/default.conf"], depends_on: [web]}
`, files: map[string]string{"Dockerfile": "FROM python:3.14\nEXPOSE 8000\n", "nginx.conf": "server { location / { proxy_pass http://web:8000; } }\n"},
		reach: []string{"shop-db:5432", "shop-redis:6379", "web:8000"}, jobs: []string{"migrate"},
		kept: []string{"celery-beat", "celery-worker", "nginx", "shop-db", "shop-redis", "web"}, main: "nginx:80"},
	{name: "Kafka", text: `
services:
  zookeeper: {image: "confluentinc/cp-zookeeper:7.8.0", environment: {ZOOKEEPER_CLIENT_PORT: 2181}}
  kafka:
    image: confluentinc/cp-kafka:7.8.0
    depends_on: [zookeeper]
    ports: ["9092:9092"]
    environment:
      KAFKA_ZOOKEEPER_CONNECT: zookeeper:2181
      KAFKA_ADVERTISED_LISTENERS: PLAINTEXT://kafka:29092,PLAINTEXT_HOST://localhost:9092
  init-topics: {image: "confluentinc/cp-kafka:7.8.0", restart: "no", command: "kafka-topics --bootstrap-server kafka:29092 --create --topic t", depends_on: [kafka]}
  kafka-ui: {image: "provectuslabs/kafka-ui", ports: ["8080:8080"], environment: {KAFKA_CLUSTERS_0_BOOTSTRAPSERVERS: "kafka:29092"}}
`, reach: []string{"zookeeper:2181", "kafka:29092", "kafka:9092"}, jobs: []string{"init-topics"}, kept: []string{"kafka", "kafka-ui", "zookeeper"}, main: "kafka-ui:8080"},
	{name: "WordPress with links", text: `
services:
  db: {image: "mariadb:11", restart: always, environment: {MARIADB_DATABASE: wordpress}}
  wordpress: {image: wordpress, restart: always, links: ["db:mysql"], ports: ["8080:80"], environment: {WORDPRESS_DB_HOST: "mysql:3306"}}
`, reach: []string{"db:3306", "mysql:3306"}, kept: []string{"db", "wordpress"}, main: "wordpress:80"},
	{name: "names of containers", text: `
services:
  immich-server: {container_name: immich_server, image: immich/server, ports: ["2283:2283"], environment: {DB_HOSTNAME: immich_postgres, REDIS_HOSTNAME: immich_redis, IMMICH_MACHINE_LEARNING_URL: "http://immich_machine_learning:3003"}, depends_on: [redis, database]}
  machine-learning: {container_name: immich_machine_learning, image: immich/ml}
  redis: {container_name: immich_redis, image: "valkey/valkey:8"}
  database: {container_name: immich_postgres, image: "tensorchord/pgvecto-rs:pg14", healthcheck: {test: "pg_isready --dbname=immich"}}
`, reach: []string{"machine-learning:3003", "redis:6379", "database:5432"}, kept: []string{"database", "immich-server", "machine-learning", "redis"}, main: "immich-server:2283"},
	{name: "PHP-FPM", text: `
services:
  php: {build: ., volumes: ["./:/var/www"]}
  nginx: {image: nginx, ports: ["80:80"], volumes: ["./conf/:/etc/nginx/conf.d/"], depends_on: [php]}
`, files: map[string]string{"Dockerfile": "FROM php:8.4-fpm\n", "conf/a.conf": "server { location ~ \\.php$ { fastcgi_pass php:9000; } }\n", "index.php": "<?php\n"},
		reach: []string{"php:9000"}, kept: []string{"nginx", "php"}, main: "nginx:80"},
	{name: "MinIO with a bucket", text: `
services:
  minio: {image: minio/minio, command: server /data --console-address :9001, ports: ["9000:9000", "9001:9001"], healthcheck: {test: ["CMD", "curl", "-f", "http://localhost:9000/minio/health/live"]}}
  createbuckets:
    image: minio/mc
    depends_on: {minio: {condition: service_healthy}}
    restart: on-failure
    entrypoint: /bin/sh -c "mc alias set m http://minio:9000 a b && mc mb m/uploads"
  app: {image: app, ports: ["3000:3000"], environment: {S3_ENDPOINT: "http://minio:9000"}, depends_on: {createbuckets: {condition: service_completed_successfully}}}
`, reach: []string{"minio:9000", "minio:9001"}, jobs: []string{"createbuckets"}, kept: []string{"app", "minio"}, main: "app:3000"},
	{name: "game server", text: `
services:
  minecraft: {image: itzg/minecraft-server, tty: true, stdin_open: true, ports: ["25565:25565", "19132:19132/udp"], environment: {EULA: "TRUE"}}
`, reach: []string{"minecraft:25565", "minecraft:19132"}, kept: []string{"minecraft"}},
	{name: "video bridge", text: `
services:
  web: {image: jitsi/web, ports: ["8000:80", "8443:443"], networks: {meet.jitsi: {}}}
  prosody: {image: jitsi/prosody, expose: ["5222", "5280", "5347"], networks: {meet.jitsi: {aliases: [xmpp.meet.jitsi]}}}
  jvb: {image: jitsi/jvb, ports: ["10000:10000/udp", "127.0.0.1:8080:8080"], depends_on: [prosody], environment: {XMPP_SERVER: xmpp.meet.jitsi}, networks: {meet.jitsi: {}}}
networks: {meet.jitsi: {}}
`, reach: []string{"prosody:5222", "jvb:10000"}, kept: []string{"jvb", "prosody", "web"}, main: "web:80"},
	{name: "Swarm's voting application", text: `
services:
  vote: {image: dockersamples/examplevotingapp_vote, ports: ["5000:80"], networks: [frontend], deploy: {replicas: 2, update_config: {parallelism: 2}, restart_policy: {condition: on-failure}}}
  redis: {image: "redis:alpine", networks: [frontend]}
  worker: {image: dockersamples/examplevotingapp_worker, networks: [frontend, backend], deploy: {placement: {constraints: [node.role == manager]}}}
  db: {image: "postgres:17", networks: [backend]}
  result: {image: dockersamples/examplevotingapp_result, ports: ["5001:80"], networks: [backend], depends_on: [db]}
networks: {frontend: {}, backend: {}}
`, reach: []string{"redis:6379", "db:5432"}, kept: []string{"db", "redis", "result", "vote", "worker"}, main: "vote:80"},
	{name: "monitoring", text: `
services:
  prometheus: {image: "prom/prometheus:v3.1.0", ports: ["9090:9090"], volumes: ["./prometheus/:/etc/prometheus/"]}
  node-exporter: {image: prom/node-exporter, expose: [9100]}
  grafana: {image: grafana/grafana, ports: ["3000:3000"], depends_on: [prometheus], environment: {GF_SERVER_ROOT_URL: "${CATALYST_URL}"}}
`, files: map[string]string{"prometheus/prometheus.yml": "scrape_configs: [{static_configs: [{targets: ['node-exporter:9100', 'api-gateway:80']}]}]\n"},
		reach: []string{"prometheus:9090", "node-exporter:9100", "grafana:3000"}, kept: []string{"grafana", "node-exporter", "prometheus"}, main: "grafana:3000"},
	{name: "identity provider", text: `
services:
  keycloak: {image: "quay.io/keycloak/keycloak:26.0", command: start-dev, ports: ["8080:8080"], healthcheck: {test: ["CMD-SHELL", "exec 3<>/dev/tcp/127.0.0.1/9000; echo -e 'GET /health HTTP/1.1' >&3"]}, depends_on: {pg: {condition: service_healthy}}}
  pg: {image: "postgres:17-alpine", healthcheck: {test: [CMD, pg_isready]}}
  app: {image: app, restart: on-failure, ports: ["3000:3000"], environment: {ISSUER: "http://keycloak:8080/realms/app"}, depends_on: {keycloak: {condition: service_healthy, restart: true}}}
`, reach: []string{"keycloak:8080", "keycloak:9000", "pg:5432"}, kept: []string{"app", "keycloak", "pg"}, main: "app:3000"},
	{name: "replica set of databases", text: `
services:
  mongo1: &m {image: "mongo:8", command: [mongod, --replSet, rs0, --bind_ip_all], hostname: mongo-one, healthcheck: {test: "mongosh --quiet --eval 'db.adminCommand(\"ping\")'"}}
  mongo2: {<<: *m, hostname: mongo-two}
  mongo-setup: {image: "mongo:8", restart: "no", entrypoint: [mongosh, "--host", "mongo1:27017", --eval, "rs.initiate()"], depends_on: {mongo1: {condition: service_healthy}, mongo2: {condition: service_healthy}}}
  api: {build: {context: ., dockerfile_inline: "FROM node\nEXPOSE 4000\n"}, ports: ["4000:4000"], environment: {MONGO: "mongodb://mongo1:27017,mongo2:27017/app?replicaSet=rs0"}, depends_on: {mongo-setup: {condition: service_completed_successfully}}}
`, reach: []string{"mongo1:27017", "mongo2:27017", "mongo-one:27017", "mongo-two:27017"}, jobs: []string{"mongo-setup"}, kept: []string{"api", "mongo1", "mongo2"}, main: "api:4000"},
	{name: "upper case and dots", text: `
services:
  Web.Frontend: {image: nginx, ports: ["80:80"], environment: {API: "http://API_Server:3000/", RPC: "API_Server:3001,Cache:6379"}, depends_on: [API_Server, Cache]}
  API_Server: {image: api}
  Cache: {image: "redis:7"}
`, reach: []string{"api-server:3000", "api-server:3001", "cache:6379", "web-frontend:80"}, kept: []string{"api-server", "cache", "web-frontend"}, main: "web-frontend:80"},
}

func TestApplications(t *testing.T) {
	for _, app := range applications {
		t.Run(app.name, func(t *testing.T) {
			a := translate(t, app.text, app.files, nil)
			for _, address := range app.reach {
				host, number, _ := strings.Cut(address, ":")
				s := a.services[host]
				found := false
				for i := 0; s != nil && i < len(s.Spec.Ports); i++ {
					found = found || fmt.Sprint(s.Spec.Ports[i].Port) == number
				}
				if !found {
					t.Errorf("nothing answers %s: %v", address, s)
				}
			}
			var kept []string
			for name := range a.deployments {
				kept = append(kept, name)
			}
			slices.Sort(kept)
			if !slices.Equal(kept, app.kept) {
				t.Errorf("Deployments %v, want %v", kept, app.kept)
			}
			for _, name := range app.jobs {
				a.job(t, name)
			}
			if len(a.jobs) != len(app.jobs) {
				t.Errorf("%d jobs, want %v", len(a.jobs), app.jobs)
			}
			if got := a.hosts()[appHost+"/"]; got != app.main {
				t.Errorf("the entrance leads to %q, want %q", got, app.main)
			}
			// Whatever a container is told of other services' names must be their names here.
			for _, old := range []string{"shop_db", "shop_redis", "immich_postgres", "immich_redis", "immich_machine_learning", "xmpp.meet", "API_Server"} {
				for name := range a.deployments {
					for k, v := range a.env(t, name) {
						if strings.Contains(v, old) {
							t.Errorf("%s: %s=%s names %s", name, k, v, old)
						}
					}
				}
			}
		})
	}
}
