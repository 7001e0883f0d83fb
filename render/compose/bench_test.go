package compose_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	"catalyst.dev/catalyst/render/compose"
)

// benchmarkApp is an application of n services as people write them: half of them servers with a database's needs, half of
// them depending on those.
func benchmarkApp(n int) string {
	var b strings.Builder
	b.WriteString("services:\n")
	for i := range n {
		fmt.Fprintf(&b, `  svc_%[1]d:
    image: example/svc:%[1]d
    container_name: container-%[1]d
    ports: ["%[2]d:8080"]
    environment:
      PORT: "8080"
      DB_PASSWORD: s3cret-value-%[1]d
      DATABASE_URL: postgres://app:s3cret-value-%[3]d@svc_%[3]d:5432/app
    command: [serve, --peer, svc_%[3]d, --token, s3cret-value-%[1]d]
    healthcheck: {test: "pg_isready -U app", interval: 5s}
    volumes: ["data_%[1]d:/var/lib/data", "shared:/shared"]
    networks: {default: {aliases: [alias-%[1]d]}}
`, i, 10000+i, max(i-1, 0))
		if i > 0 && i%2 == 1 {
			fmt.Fprintf(&b, "    depends_on: {svc_%d: {condition: service_healthy}}\n", i-1)
		}
	}
	b.WriteString("volumes:\n  shared:\n")
	for i := range n {
		fmt.Fprintf(&b, "  data_%d:\n", i)
	}
	return b.String()
}

// BenchmarkRender shows that the cost of a service does not grow with the number of services.
func BenchmarkRender(b *testing.B) {
	for _, n := range []int{10, 100, 500} {
		b.Run(fmt.Sprintf("services=%d", n), func(b *testing.B) {
			in := compose.Input{Source: fstest.MapFS{"compose.yaml": {Data: []byte(benchmarkApp(n))}}, Path: ".", ProjectName: "acme-shop-pr-1", Host: "h.example.com"}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for b.Loop() {
				if _, err := compose.Render(b.Context(), in); err != nil {
					b.Fatal(err)
				}
			}
			runtime.ReadMemStats(&after)
			services := float64(b.N * n)
			b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/services, "ms/service")
			b.ReportMetric(float64(after.Mallocs-before.Mallocs)/services, "allocs/service")
		})
	}
}
