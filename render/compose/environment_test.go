package compose_test

import (
	"strings"
	"testing"

	"catalyst.dev/catalyst/render/compose"
)

func TestVariables(t *testing.T) {
	t.Setenv("FROM_PROCESS", "leaked")
	files := map[string]string{
		".env":    "A=dotenv\nB=dotenv\nCATALYST_HOST=dotenv\nNESTED=${A}-${V}\n",
		"one.env": "E1=one\nE2=one\nQUOTED='a # b'\nREF=${A}/${V}/${E1:-no}\n",
		"two.env": "E2=two\nE3=two\n",
		"raw.env": "# comment\nRAW='$A' # kept\r\n\nBARE\nA=raw=x\n",
		"compose.yaml": `
services:
  web:
    image: x
    env_file: [one.env, {path: two.env}, {path: missing.env, required: false}, {path: raw.env, format: raw}]
    environment:
      E3: environment
      A_: ${A}
      B_: ${B}
      H: ${CATALYST_HOST}
      N: ${NESTED}
      NULL_SET:
      NULL_UNSET:
      FROM_PROCESS:
      DEFAULTED: ${NOPE:-x$$y}
      ON: on
`}
	a := renderApp(t, files, func(in *compose.Input) {
		in.Values = map[string]any{"variables": map[string]any{"B": "values", "V": "values", "CATALYST_HOST": "values", "NULL_SET": float64(5), "BARE": "bare"}}
		in.Variables = map[string]string{"CATALYST_HOST": "own"}
	})
	c := a.container(t, "web")
	for name, want := range map[string]string{
		"E1": "one", "E2": "two", "E3": "environment", "QUOTED": "a # b", "REF": "dotenv/values/one",
		"RAW": "'$A' # kept", "BARE": "bare", "A": "raw=x",
		"A_": "dotenv", "B_": "values", "H": "own", "N": "dotenv-values",
		"NULL_SET": "5", "NULL_UNSET": "(unset)", "FROM_PROCESS": "(unset)", "DEFAULTED": "x$y", "ON": "on",
	} {
		if got := variable(c, name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
}

func TestMissingFilesAndVariablesAreNamed(t *testing.T) {
	tests := []struct{ name, service, want string }{
		{"env file", "env_file: nope.env", `services.web.env_file[0]: "nope.env" is not in the repository (commit it, set required: false`},
		{"format", "env_file: [{path: compose.yaml, format: toml}]", `the format "toml" is unknown`},
		{"all required variables", "hostname: ${ONE:?}\n    command: ['${TWO:?because}', '${ONE:?}']", "required variables are not set: ONE, TWO (because)"},
		{"label file", "label_file: nope.labels", "nope.labels: the file does not exist"},
		{"model", "models: [llm]", "set values.models.llm.url"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tryApp(t, map[string]string{"compose.yaml": "services:\n  web:\n    image: x\n    " + tt.service + "\nmodels: {llm: {model: ai/smol}}\n"}, nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Render() = %v, want %q", err, tt.want)
			}
		})
	}
}

func TestReservedCharactersAreRefused(t *testing.T) {
	const text = "x\uE0C5DB_PASSWORD\uE0C6"
	for name, files := range map[string]map[string]string{
		"compose":  {"compose.yaml": "services: {web: {image: x, environment: {A: '" + text + "'}}}\n"},
		".env":     {"compose.yaml": "services: {web: {image: x}}\n", ".env": "A=" + text + "\n"},
		"env_file": {"compose.yaml": "services: {web: {image: x, env_file: a.env}}\n", "a.env": "A=" + text + "\n"},
		"raw":      {"compose.yaml": "services: {web: {image: x, env_file: [{path: a.env, format: raw}]}}\n", "a.env": "A=" + text + "\n"},
	} {
		if _, err := tryApp(t, files, nil); err == nil || !strings.Contains(err.Error(), "reserved character") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestModels(t *testing.T) {
	a := renderApp(t, map[string]string{"compose.yaml": `
services:
  short: {image: x, models: [my-llm]}
  long: {image: x, models: {my-llm: {endpoint_var: AI_URL, model_var: AI_NAME}}, environment: {AI_NAME: own}}
models: {my-llm: {model: ai/smol}}
`}, func(in *compose.Input) {
		in.Values = map[string]any{"models": map[string]any{"my-llm": map[string]any{"url": "https://ai.example.com/v1"}}}
	})
	short, long := a.container(t, "short"), a.container(t, "long")
	got := []string{variable(short, "MY_LLM_URL"), variable(short, "MY_LLM_MODEL"), variable(long, "AI_URL"), variable(long, "AI_NAME")}
	if strings.Join(got, " ") != "https://ai.example.com/v1 ai/smol https://ai.example.com/v1 own" {
		t.Errorf("variables: %v", got)
	}
}

func TestSecretLookingVariablesAreMoved(t *testing.T) {
	a := renderApp(t, map[string]string{"compose.yaml": `
services:
  web:
    image: x
    environment:
      DB_PASSWORD: a1
      apiKey: a2
      AWS_SECRET_ACCESS_KEY: a3
      JWT_TOKEN: a4
      SSH_PRIVATE_KEY: a5
      APP_KEY: a6
      REDIS_PASS: a7
      URL: postgres://u:a8@db/x
      REDIS_URL: redis://:a9@cache
      GO_DSN: u:a10@tcp(db)/x
      ADO: "Server=db;User Id=sa;Password=a11;"
      JDBC: jdbc:mysql://db/x?user=u&password=a12
      ARGS: --requirepass a13
      HEADER: "Authorization: Bearer a14"
      ALLOW_EMPTY_PASSWORD: "yes"
      PUBLIC_URL: https://example.com/x@y
      KEYBOARD: qwerty
      USER_NAME: bob
      DB_PASSWORD_FILE: /run/secrets/db
`}, func(in *compose.Input) {
		in.Values = services("web", map[string]any{"env": map[string]any{"EXTRA_TOKEN": "a15"}})
	})
	c := a.container(t, "web")
	for _, name := range []string{"DB_PASSWORD", "apiKey", "AWS_SECRET_ACCESS_KEY", "JWT_TOKEN", "SSH_PRIVATE_KEY", "APP_KEY", "REDIS_PASS", "URL", "REDIS_URL",
		"GO_DSN", "ADO", "JDBC", "ARGS", "HEADER", "ALLOW_EMPTY_PASSWORD", "EXTRA_TOKEN"} {
		if got := variable(c, name); got != "web-env/"+name {
			t.Errorf("%s = %q stands in the manifest", name, got)
		}
	}
	for name, want := range map[string]string{"PUBLIC_URL": "https://example.com/x@y", "KEYBOARD": "qwerty", "USER_NAME": "bob", "DB_PASSWORD_FILE": "/run/secrets/db"} {
		if got := variable(c, name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	lines := 0
	for _, f := range a.report.Findings {
		if f.Key == "environment" {
			lines++
		}
	}
	if lines != 1 {
		t.Errorf("%d lines about the variables of one service", lines)
	}
}

func TestRenamedHosts(t *testing.T) {
	a := renderApp(t, map[string]string{"compose.yaml": `
services:
  my_db: {image: x}
  web: {image: x, environment: {A: "http://my_db:80/", B: my_db, C: "xmy_db"}}
`}, nil)
	c := a.container(t, "web")
	for name, want := range map[string]string{"A": "http://my-db:80/", "B": "my-db", "C": "xmy_db"} {
		if got := variable(c, name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
}
