package queue_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"catalyst.dev/catalyst/gitops/queue"
)

// BenchmarkAccept takes deliveries from 64 clients while 10,000 jobs wait, without workers and beside 32 of them that
// take work of 5 ms each.
func BenchmarkAccept(b *testing.B) {
	b.Run("waiting", func(b *testing.B) { benchmarkAccept(b, false) })
	b.Run("working", func(b *testing.B) { benchmarkAccept(b, true) })
}

func benchmarkAccept(b *testing.B, working bool) {
	q := open(b, filepath.Join(b.TempDir(), "catalyst.db"))
	const waiting, clients = 10_000, 64
	jobs := make([]queue.Job, waiting)
	for i := range jobs {
		jobs[i] = pullRequest(i + 1)
	}
	if err := q.Enqueue(b.Context(), jobs...); err != nil {
		b.Fatal(err)
	}
	if working {
		run(b, q, func(context.Context, queue.Job) error { time.Sleep(5 * time.Millisecond); return nil })
	}
	var next atomic.Int64
	took := make([]time.Duration, b.N)
	b.ResetTimer()
	var group sync.WaitGroup
	for range clients {
		group.Go(func() {
			for i := int(next.Add(1)); i <= b.N; i = int(next.Add(1)) {
				start := time.Now()
				accept(b, q, delivery(fmt.Sprint(i)), pullRequest(waiting+i))
				took[i-1] = time.Since(start)
			}
		})
	}
	group.Wait()
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
	b.ReportMetric(float64(took[b.N*99/100].Microseconds())/1000, "p99-ms")
}
