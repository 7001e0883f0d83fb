package test

import (
	"context"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"catalyst.dev/catalyst/gitops/forge/forgetest"
)

const (
	crashPulls  = 50
	crashKills  = 8
	crashSecret = "crash-webhook-secret"
	crashToken  = "crash-api-token"
	// crashCanary is a secret value of the application, which Git must never hold in the open.
	crashCanary = "canary-3b1f0c"
)

func crashSettings(branch string, change int) []byte {
	return fmt.Appendf(nil, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {change: %s-%d}\n", branch, change)
}

// deliver sends a webhook until it is taken, as GitHub's redelivery would: a delivery that fails has the same ID again.
func (c *crash) deliver(ctx context.Context, d forgetest.Delivery) error {
	return until(ctx, "a webhook to be taken", func() bool {
		r, err := d.Request(ctx, c.address()+"/webhooks/github")
		if err != nil {
			return false
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			return false
		}
		_ = res.Body.Close() // only the status matters
		c.moment(false)
		return res.StatusCode == http.StatusAccepted
	})
}

// live lets one pull request live, each step told by a webhook, and returns its number.
func (c *crash) live(ctx context.Context, branch string, closes bool) (number int, err error) {
	change := 0
	files := func() map[string][]byte {
		change++
		return map[string][]byte{"deploy/settings.yaml": crashSettings(branch, change)}
	}
	d, err := c.forge.Open(ctx, "acme/shop", branch, "Change "+branch, forgetest.PullOptions{Files: files()})
	if err != nil {
		return 0, err
	}
	number = d.Number
	steps := []func() (forgetest.Delivery, error){
		func() (forgetest.Delivery, error) { return d, nil },
		func() (forgetest.Delivery, error) { return c.forge.Push(ctx, "acme/shop", number, "More", files()) },
		func() (forgetest.Delivery, error) { return c.forge.Label(ctx, "acme/shop", number, "ready", true) },
		func() (forgetest.Delivery, error) {
			if closes {
				return c.forge.Close(ctx, "acme/shop", number, false)
			}
			return c.forge.Push(ctx, "acme/shop", number, "Still more", files())
		},
	}
	for _, step := range steps {
		d, err := step()
		if err != nil {
			return 0, err
		}
		if err := c.deliver(ctx, d); err != nil {
			return 0, err
		}
	}
	return number, nil
}

// liveAll lets all pull requests live, a few at once, and returns the commit that each environment must
// end at.
func (c *crash) liveAll(ctx context.Context, random *mathrand.Rand) (map[string]string, error) {
	var group errgroup.Group
	group.SetLimit(6)
	var mu sync.Mutex
	open := map[int]bool{}
	for i := range crashPulls {
		closes := random.IntN(2) == 0
		group.Go(func() error {
			number, err := c.live(ctx, fmt.Sprintf("branch-%d", i), closes)
			mu.Lock()
			defer mu.Unlock()
			open[number] = !closes
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return c.heads(ctx, open)
}

// heads are the commits of the open pull requests, by the names of their environments.
func (c *crash) heads(ctx context.Context, open map[int]bool) (map[string]string, error) {
	heads := map[string]string{}
	for number, isOpen := range open {
		if !isOpen {
			continue
		}
		ref := fmt.Sprintf("refs/pull/%d/head", number)
		out, err := exec.CommandContext(ctx, "git", "ls-remote", c.forge.CloneURL("acme/shop"), ref).Output()
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", ref, err)
		}
		heads[fmt.Sprintf("pr-%d", number)], _, _ = strings.Cut(string(out), "\t")
	}
	return heads, nil
}

// killAll kills the server at random moments, half of them while or just after it pushes, and starts it again each time.
func (c *crash) killAll(ctx context.Context, random *mathrand.Rand) error {
	for i := range crashKills {
		least, most := 1+random.IntN(25), 60
		for n := 0; n < most; n++ {
			select {
			case push := <-c.moments:
				if n >= least && (push || i%2 == 0) {
					n = most
				}
			case <-ctx.Done():
				return fmt.Errorf("waiting for a moment to kill the server: %w", ctx.Err())
			}
		}
		c.kill()
		if err := c.start(); err != nil {
			return err
		}
	}
	return nil
}

// A server that is killed again and again loses no webhook that it took, and does nothing twice.
func TestKilledServerLosesNothing(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	c := newCrash(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	t.Cleanup(c.kill)
	t.Cleanup(c.report)
	begin := time.Now()
	if err := c.start(); err != nil {
		t.Fatal(err)
	}
	var want map[string]string
	var group errgroup.Group
	group.Go(func() error { return c.killAll(ctx, mathrand.New(mathrand.NewPCG(seed, 1))) })
	group.Go(func() (err error) {
		want, err = c.liveAll(ctx, mathrand.New(mathrand.NewPCG(seed, 2)))
		return err
	})
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	sent := time.Since(begin)
	if err := until(ctx, "the last server to be ready", func() bool { code, _ := c.get(ctx, "/readyz"); return code == http.StatusOK }); err != nil {
		t.Fatal(err)
	}
	if err := until(ctx, "the queue to be empty", func() bool { return c.idle(ctx) }); err != nil {
		t.Error(err)
	}
	t.Logf("%d kills, %d servers came to listen; all webhooks taken after %v, done after %v", crashKills, c.listened(), sent, time.Since(begin))
	if diff := cmp.Diff(want, c.environments()); diff != "" {
		t.Errorf("environments (-want +got):\n%s", diff)
	}
	t.Logf("%d commits in %d pushes", c.checkHistory(), c.git.Pushes.Load())
}
