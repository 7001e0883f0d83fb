package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"catalyst.dev/catalyst/gitops"
	"catalyst.dev/catalyst/gitops/queue"
)

// longestCollect bounds what is asked for when the metrics are read.
const longestCollect = 5 * time.Second

// metrics of the server. No label takes a value that a client chooses freely.
type metrics struct {
	requests   *prometheus.CounterVec
	durations  *prometheus.HistogramVec
	deliveries *prometheus.CounterVec
}

func newMetrics(config Config, held *bodies) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "catalyst_http_requests_total", Help: "Requests by route.",
		}, []string{"method", "route", "code"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "catalyst_http_request_duration_seconds", Help: "Time to answer by route.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}, []string{"method", "route"}),
		deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "catalyst_webhook_deliveries_total", Help: "Webhook deliveries by what became of them.",
		}, []string{"event", "result"}),
	}
	buffered := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "catalyst_webhook_buffered_bytes", Help: "Bytes of webhook bodies held in memory.",
	}, func() float64 { return float64(held.held.Load()) })
	collectors := []prometheus.Collector{m.requests, m.durations, m.deliveries, buffered, &brokenCollector{config.Data.Broken, prometheus.NewDesc(
		"catalyst_broken_files", "Hand-written files of the environments repository that cannot be used.", nil, nil)}}
	if config.QueueStats != nil {
		collectors = append(collectors, &queueCollector{config.QueueStats, prometheus.NewDesc(
			"catalyst_queue_jobs", "Unfinished jobs by state.", []string{"state"}, nil)})
	}
	var errs []error
	for _, c := range collectors {
		errs = append(errs, config.Metrics.Register(c))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("registering metrics: %w", err)
	}
	return m, nil
}

func (m *metrics) request(method, route string, status int, took time.Duration) {
	if !slices.Contains([]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}, method) {
		method = "other"
	}
	m.requests.WithLabelValues(method, route, strconv.Itoa(status)).Inc()
	m.durations.WithLabelValues(method, route).Observe(took.Seconds())
}

func (m *metrics) delivery(event, result string) {
	if !slices.Contains([]string{"pull_request", "push", "ping"}, event) {
		event = "other"
	}
	m.deliveries.WithLabelValues(event, result).Inc()
}

// queueCollector asks for the queue's depth when the metrics are read.
type queueCollector struct {
	stats func(context.Context) (queue.Stats, error)
	desc  *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (q *queueCollector) Describe(ch chan<- *prometheus.Desc) { ch <- q.desc }

// Collect implements prometheus.Collector.
func (q *queueCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), longestCollect)
	defer cancel()
	stats, err := q.stats(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(q.desc, err)
		return
	}
	for _, v := range []struct {
		state string
		n     int
	}{{"waiting", stats.Waiting}, {"running", stats.Running}, {"retrying", stats.Retrying}} {
		ch <- prometheus.MustNewConstMetric(q.desc, prometheus.GaugeValue, float64(v.n), v.state)
	}
}

// brokenCollector counts the broken files when the metrics are read.
type brokenCollector struct {
	broken func(context.Context) ([]gitops.BrokenFile, error)
	desc   *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (b *brokenCollector) Describe(ch chan<- *prometheus.Desc) { ch <- b.desc }

// Collect implements prometheus.Collector.
func (b *brokenCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), longestCollect)
	defer cancel()
	files, err := b.broken(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(b.desc, err)
		return
	}
	ch <- prometheus.MustNewConstMetric(b.desc, prometheus.GaugeValue, float64(len(files)))
}

var (
	_ prometheus.Collector = (*queueCollector)(nil)
	_ prometheus.Collector = (*brokenCollector)(nil)
)
