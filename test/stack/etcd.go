package stack

import (
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"
)

// startEtcd starts an etcd that forgets all at the end, and returns its URL.
func startEtcd(t testing.TB, dir string) string {
	t.Helper()
	client, peer := "http://"+freeAddress(t), "http://"+freeAddress(t)
	etcd := start(t, dir, "etcd", "--data-dir", dir+"/etcd", "--unsafe-no-fsync", "--log-level", "warn",
		"--listen-client-urls", client, "--advertise-client-urls", client,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "default="+peer)
	etcd.await(t, time.Minute, func() error { return healthy(http.DefaultClient, client+"/health") })
	return client
}

// freeAddress is one on loopback whose port the kernel picked.
func freeAddress(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	return listener.Addr().String()
}

func healthy(client *http.Client, url string) error {
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, response.Status)
	}
	return nil
}
