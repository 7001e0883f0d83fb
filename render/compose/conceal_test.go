package compose_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"catalyst.dev/catalyst/render/compose"
)

// expand is what the kubelet makes of a command line.
func expand(words []string, variables map[string]string) []string {
	var out []string
	for _, w := range words {
		var b strings.Builder
		for i := 0; i < len(w); i++ {
			if w[i] != '$' || i+1 == len(w) {
				b.WriteByte(w[i])
				continue
			}
			end := strings.IndexByte(w[i:], ')')
			switch {
			case w[i+1] == '$':
				b.WriteByte('$')
				i++
			case w[i+1] == '(' && end > 0:
				value, known := variables[w[i+2:i+end]]
				if !known {
					value = w[i : i+end+1]
				}
				b.WriteString(value)
				i += end
			default:
				b.WriteByte('$')
			}
		}
		out = append(out, b.String())
	}
	return out
}

// No secret stands in a manifest, and the container still runs what Docker would.
func TestSecretsOfCommandLinesAreConcealed(t *testing.T) {
	tests := []struct{ name, service, secret string }{
		{"flag", "command: redis-server --requirepass s3cret-pw", "s3cret-pw"},
		{"flag with equals", "command: [app, --db-password=s3cret-pw]", "s3cret-pw"},
		{"word with blanks", `command: [redis-server, --requirepass, "s3cret pw"]`, "s3cret pw"},
		{"quoted in a shell", `command: sh -c 'app --password "s3cret pw"'`, "s3cret pw"},
		{"url", "command: [migrate, -database, 'postgres://u:s3cret-pw@db/x', up]", "s3cret-pw"},
		{"url without user", "command: [app, 'redis://:s3cret-pw@cache']", "s3cret-pw"},
		{"dsn", "command: [app, 'bob:s3cret-pw@tcp(db:3306)/x']", "s3cret-pw"},
		{"entrypoint", "entrypoint: [sh, -c, 'PGPASSWORD=s3cret-pw psql -h db']", "s3cret-pw"},
		{"system property", "command: java -Dspring.datasource.password=s3cret-pw -jar app.jar", "s3cret-pw"},
		{"own variable", "environment: {ADMIN_PASSWORD: s3cret-pw}\n    command: [app, '--login=admin/s3cret-pw']", "s3cret-pw"},
		{"another's variable", "command: [app, '--login=admin/other-s3cret']", "other-s3cret"},
		{"dollars", "command: [app, 'a$$', '--token=s3cret-pw', '$$(HOME) $$$$ $$']", "s3cret-pw"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := "services:\n  web:\n    image: x\n    " + tt.service + "\n  other: {image: y, environment: {API_TOKEN: other-s3cret}}\n"
			a := renderApp(t, map[string]string{"compose.yaml": text}, nil)
			if strings.Contains(a.texts(t), tt.secret) {
				t.Errorf("the secret is in a manifest:\n%s", a.texts(t))
			}
			c := a.container(t, "web")
			values := map[string]string{}
			for _, e := range c.Env {
				if values[e.Name] = e.Value; e.ValueFrom != nil {
					values[e.Name] = a.secret(t, e.ValueFrom.SecretKeyRef.Name)[e.ValueFrom.SecretKeyRef.Key]
				}
			}
			got := expand(append(slices.Clone(c.Command), c.Args...), values)
			if !strings.Contains(strings.Join(got, " "), tt.secret) {
				t.Errorf("the container runs %q", got)
			}
			if tt.name == "dollars" {
				if diff := cmp.Diff([]string{"app", "a$", "--token=s3cret-pw", "$(HOME) $$ $"}, got); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

func TestSecretsOfProbesAndHooksAreRead(t *testing.T) {
	a := renderApp(t, map[string]string{"compose.yaml": `
services:
  db:
    image: mysql
    environment: {MYSQL_ROOT_PASSWORD: s3cret-pw, "odd.password": odd-s3cret}
    healthcheck: {test: "mysqladmin ping -uroot -ps3cret-pw --silent || exit 1"}
    post_start: [{command: [curl, -u, "bob:odd-s3cret", "http://x y"]}]
  quoted:
    image: mysql
    environment: {DB_PASSWORD: s3cret-pw}
    healthcheck: {test: ["CMD-SHELL", "psql \"postgres://u:s3cret-pw@db\" -c 'select 1' && x 'postgres://u:s3cret-pw@db'"]}
  argv:
    image: redis
    healthcheck: {test: [CMD, redis-cli, -a, s3cret-pw, ping, "it's"]}
`}, nil)
	if texts := a.texts(t); strings.Contains(texts, "s3cret") {
		t.Errorf("a secret is in a manifest:\n%s", texts)
	}
	for name, want := range map[string]string{
		"db":     `mysqladmin ping -uroot -p"${MYSQL_ROOT_PASSWORD}" --silent || exit 1`,
		"quoted": `psql "postgres://u:${DB_PASSWORD}@db" -c 'select 1' && x 'postgres://u:'"${DB_PASSWORD}"'@db'`,
		"argv":   `exec redis-cli -a "${CATALYST_SECRET_1}" ping 'it'\''s'`,
	} {
		if diff := cmp.Diff([]string{"/bin/sh", "-c", want}, a.container(t, name).ReadinessProbe.Exec.Command); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	db := a.container(t, "db")
	// A shell cannot name odd.password.
	if diff := cmp.Diff([]string{"/bin/sh", "-c", `exec curl -u bob:"${CATALYST_SECRET_1}" 'http://x y'`}, db.Lifecycle.PostStart.Exec.Command); diff != "" {
		t.Error(diff)
	}
	if got := a.secret(t, "db-env")["CATALYST_SECRET_1"]; got != "odd-s3cret" {
		t.Errorf("CATALYST_SECRET_1 = %q", got)
	}
}

func TestWhatIsNoSecretStays(t *testing.T) {
	a := renderApp(t, map[string]string{"compose.yaml": `
services:
  db:
    image: postgres
    environment: {POSTGRES_PASSWORD: postgres, POSTGRES_USER: postgres, POSTGRES_PASSWORD_FILE: /run/secrets/pw, N: "$$x $$(y)"}
    command: [--default-authentication-plugin=mysql_native_password, --token-file, /run/secrets/pw, "--no-auth", $$TOKEN]
    healthcheck: {test: "pg_isready -U postgres --password=$$(cat /run/secrets/pw)"}
    labels: {color: red}
    configs: [c]
configs: {c: {content: "password: ${UNSET:-$$RUNTIME}\nlisten: 80\n"}}
`}, nil)
	c := a.container(t, "db")
	if diff := cmp.Diff([]string{"--default-authentication-plugin=mysql_native_password", "--token-file", "/run/secrets/pw", "--no-auth", "$TOKEN"}, c.Args); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"/bin/sh", "-c", "pg_isready -U postgres --password=$(cat /run/secrets/pw)"}, c.ReadinessProbe.Exec.Command); diff != "" {
		t.Error(diff)
	}
	if got := variable(c, "POSTGRES_PASSWORD_FILE") + " " + variable(c, "POSTGRES_USER") + " " + variable(c, "N"); got != "/run/secrets/pw postgres $x $$(y)" {
		t.Errorf("variables: %s", got)
	}
	if got := a.deployment(t, "db").Spec.Template.Annotations; got["color"] != "red" {
		t.Errorf("annotations: %v", got)
	}
	for name := range a.objects {
		if strings.HasPrefix(name, "Secret/") && name != "Secret/db-env" {
			t.Errorf("%s was made of what holds no secret", name)
		}
	}
}

func TestConfigsThatHoldASecretAreSealed(t *testing.T) {
	mounted := func(password, port string) string {
		a := renderApp(t, map[string]string{"compose.yaml": `
services: {web: {image: x, configs: [{source: c, target: /etc/c.yml}]}}
configs: {c: {content: "db:\n  password: ` + password + `\n  port: ` + port + `\n"}}
`}, nil)
		if strings.Contains(a.texts(t), password) {
			t.Errorf("the secret is in a manifest:\n%s", a.texts(t))
		}
		volume := a.deployment(t, "web").Spec.Template.Spec.Volumes[0]
		if volume.Secret == nil {
			t.Fatalf("the file comes from %v", volume)
		}
		if got := a.secret(t, volume.Secret.SecretName)["content"]; !strings.Contains(got, "password: "+password) {
			t.Errorf("the file is %q", got)
		}
		return volume.Secret.SecretName
	}
	first, samePort, otherPort := mounted("s3cret-one", "1"), mounted("s3cret-two", "1"), mounted("s3cret-one", "2")
	if first != samePort || first == otherPort {
		t.Errorf("names %s, %s, %s: they must follow what is not secret, and nothing else", first, samePort, otherPort)
	}
}

func TestLabelsThatHoldASecretAreLeftOut(t *testing.T) {
	a := renderApp(t, map[string]string{"compose.yaml": `
services:
  web:
    image: x
    environment: {PASSWORD: s3cret-pw}
    labels: {app.password: hunter22, users: "u:$$apr1$$abc$$def", note: "it is s3cret-pw", url: "http://u:pw12@h", kept: yes}
`}, nil)
	if diff := cmp.Diff(map[string]string{"kept": "yes"}, a.deployment(t, "web").Spec.Template.Annotations); diff != "" {
		t.Error(diff)
	}
	if !a.says("web labels: labels that hold a secret") {
		t.Errorf("the report does not say so: %v", a.report.Findings)
	}
}

func TestStoredSecretsAreReferredTo(t *testing.T) {
	files := map[string]string{".env": "DB_PASSWORD=from-dot-env\nDERIVED=x-${DB_PASSWORD}\n", "web.env": "FROM_FILE=y-${DB_PASSWORD}\n", "compose.yaml": `
services:
  web:
    image: x
    env_file: web.env
    environment:
      DB_PASSWORD: literal-pw
      URL: postgres://u:${DB_PASSWORD}@db
      SAME: ${DB_PASSWORD}
      OWN: ${DERIVED}
    command: [app, "--password=${DB_PASSWORD}", "$$(DB_PASSWORD)"]
    healthcheck: {test: [CMD, app, "${DB_PASSWORD}"]}
  shadow.with.dots:
    image: x
    environment: {DB_PASSWORD: "prefix-${DB_PASSWORD}"}
`}
	a := renderApp(t, files, func(in *compose.Input) { in.SecretNames = []string{"DB_PASSWORD"} })
	c := a.container(t, "web")
	for name, want := range map[string]string{
		"DB_PASSWORD": "catalyst-secrets/DB_PASSWORD", "URL": "postgres://u:$(DB_PASSWORD)@db", "SAME": "$(DB_PASSWORD)",
		"FROM_FILE": "y-$(DB_PASSWORD)",
	} {
		if got := variable(c, name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if diff := cmp.Diff([]string{"app", "--password=$(DB_PASSWORD)", "$$(DB_PASSWORD)"}, c.Args); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"/bin/sh", "-c", `exec app "${DB_PASSWORD}"`}, c.ReadinessProbe.Exec.Command); diff != "" {
		t.Error(diff)
	}
	if texts := a.texts(t); strings.Contains(texts, "literal-pw") || strings.Contains(texts, "\uE0C5") {
		t.Errorf("a literal or a mark is in a manifest:\n%s", texts)
	}
	names := map[string]bool{}
	for _, e := range a.container(t, "shadow-with-dots").Env {
		if names[e.Name] {
			t.Errorf("two variables %s", e.Name)
		}
		names[e.Name] = true
	}
	_, err := tryApp(t, map[string]string{"compose.yaml": "services: {web: {image: 'x:${TAG}'}}\n"}, func(in *compose.Input) { in.SecretNames = []string{"TAG"} })
	if err == nil || !strings.Contains(err.Error(), "services.web.image") || !strings.Contains(err.Error(), "secret store") {
		t.Errorf("a secret as an image: %v", err)
	}
	a, err = tryApp(t, map[string]string{"compose.yaml": "services: {web: {image: x, configs: [c]}}\nconfigs: {c: {content: 'a ${TAG}'}}\n"}, func(in *compose.Input) { in.SecretNames = []string{"TAG"} })
	if err == nil && strings.Contains(a.texts(t), "\uE0C5") || err != nil && !strings.Contains(err.Error(), "secret store only") {
		t.Errorf("a secret in a config: %v", err)
	}
}

// A secret of one variable is one wherever else it stands, whatever that variable is called, unless it is an ordinary word.
func TestSecretsInsideOtherVariablesAreMoved(t *testing.T) {
	app := renderApp(t, map[string]string{"compose.yaml": `services:
  db: {image: mysql, environment: {MYSQL_ROOT_PASSWORD: eiGhah4Ahp, MYSQL_PASSWORD: wordpress, MYSQL_DATABASE: wordpress}}
  world: {image: w, environment: {LOGIN_INFO: "db;3306;root;eiGhah4Ahp;auth", NAME: wordpress}}
`}, nil)
	if text := app.texts(t); strings.Contains(text, "eiGhah4Ahp") {
		t.Errorf("the password stands in a manifest:\n%s", text)
	}
	if got := variable(app.container(t, "world"), "NAME"); got != "wordpress" {
		t.Errorf("NAME is %q", got)
	}
}

// Passwords have dollars, and scripts put letters before them.
func TestSecretsWithinWordsAreMoved(t *testing.T) {
	for name, text := range map[string]string{
		"setup": `setup: {image: x, command: "bash -c 'if [ x${P} == x ]; then exit 1; fi'", environment: {PASSWORD: "${P}"}}`,
		"ADO":   `app: {image: x, environment: {ConnectionStrings__Default: "Server=db;User Id=sa;Password=${P};Encrypt=True"}}`,
		"shell": `db: {image: x, environment: {SA_PASSWORD: "${P}"}, entrypoint: [bash, -c, "sqlcmd -U sa -P '${P}' -i /init.sql"]}`,
		"proxy": `lb: {image: haproxy, configs: [c]}` + "\nconfigs: {c: {content: 'stats auth admin:${P}'}}",
	} {
		t.Run(name, func(t *testing.T) {
			for _, password := range []string{"elasticpw1", "Str0ng!Passw0rd$$x"} {
				a := renderApp(t, map[string]string{"compose.yaml": "services:\n  " + text + "\n", ".env": "P='" + strings.ReplaceAll(password, "$$", "$") + "'\n"}, nil)
				if strings.Contains(a.texts(t), strings.ReplaceAll(password, "$$", "$")) {
					t.Errorf("the password is in a manifest:\n%s", a.texts(t))
				}
			}
		})
	}
}

// Values that are settings themselves, tokens of a known form and the commands that take a secret as a word.
func TestSecretsOfUnusualPlacesAreMoved(t *testing.T) {
	const secret = "s3cret-77aa"
	values := map[string]string{
		"Ruby":           "external_url 'http://x'\ngitlab_rails['smtp_password'] = '" + secret + "'\n",
		"JSON":           `{"spring.datasource.password":"` + secret + `","x":1}`,
		"YAML":           "db:\n  password: " + secret + "\n",
		"bearer":         "Bearer " + secret,
		"GitHub":         "ghp_0123456789abcdefghij",
		"Stripe":         "sk_live_0123456789ab",
		"JWT":            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.SflKxwRJSMeKKF2QT4",
		"token in a URL": "https://0123456789abcdef0123@git.example.org/x.git",
	}
	for name, value := range values {
		t.Run(name, func(t *testing.T) {
			a := renderApp(t, map[string]string{"compose.yaml": fmt.Sprintf("services: {web: {image: x, environment: {SETTINGS: %q}}}\n", value)}, nil)
			if got := a.secret(t, "web-env")["SETTINGS"]; got != value {
				t.Errorf("the sealed value is %q, want %q", got, value)
			}
		})
	}
	for _, command := range []string{"mc alias set m http://minio:9000 user " + secret, "sshpass -p " + secret + " ssh host", "htpasswd -b file user " + secret,
		"rabbitmqctl add_user user " + secret, "serve --auth user:" + secret} {
		t.Run(command, func(t *testing.T) {
			for _, form := range []string{"command: " + command, "command: [sh, -c, '" + command + "']"} {
				a := renderApp(t, map[string]string{"compose.yaml": "services: {web: {image: x, " + form + "}}\n"}, nil)
				if strings.Contains(a.texts(t), secret) {
					t.Errorf("the secret is in a manifest:\n%s", a.texts(t))
				}
				if got := a.secret(t, "web-env")["CATALYST_SECRET_1"]; got != secret {
					t.Errorf("the sealed word is %q", got)
				}
			}
		})
	}
}

func TestFilesNamedAsSecretsAreSealed(t *testing.T) {
	for name, sealed := range map[string]bool{"keyfile": true, "tls.key": true, ".htpasswd": true, "db-password.txt": true, "id_ed25519": true, "secrets.yml": true,
		"password-reset.html": false, "keys.conf": false, "tokenizer.json": false} {
		t.Run(name, func(t *testing.T) {
			a := renderApp(t, map[string]string{name: "content-of-the-file\n", "compose.yaml": "services: {web: {image: x, volumes: ['./" + name + ":/f']}}\n"}, nil)
			if got := a.deployment(t, "web").Spec.Template.Spec.Volumes[0].Secret != nil; got != sealed {
				t.Errorf("sealed: %t, want %t", got, sealed)
			}
			if sealed && strings.Contains(a.texts(t), "content-of-the-file") {
				t.Error("its content is in a manifest")
			}
		})
	}
}
