package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"catalyst.dev/catalyst/gitops/forge"
	"catalyst.dev/catalyst/gitops/queue"
)

const (
	// maxDeliveryID is more than a GUID's 36.
	maxDeliveryID = 100
	// retryAfter in seconds, when a delivery cannot be taken now.
	retryAfter = "10"
)

// DeliveryAnswer is the answer to a webhook.
type DeliveryAnswer struct {
	// Delivery ID.
	Delivery string `json:"delivery"`
	// Result is "accepted", or "duplicate" for a delivery seen before.
	Result string `json:"result"`
}

// githubWebhook takes a webhook in this order: headers that stand twice, size, signature over the raw bytes, content type,
// headers, JSON, database. Nothing in the body is looked at before the signature holds, and a body that cannot be signed is
// read without being held.
func (s *Server) githubWebhook(c *gin.Context) error {
	received := time.Now()
	delivery := queue.Delivery{ID: c.GetHeader("X-GitHub-Delivery"), Event: c.GetHeader("X-GitHub-Event"), ReceivedAt: received}
	// GitHub itself waits for 10 seconds. A recorder in tests has no deadline to set.
	_ = http.NewResponseController(c.Writer).SetReadDeadline(received.Add(s.config.BodyTimeout))
	all := c.Request.Body
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, maxWebhook)
	b := &body{budget: s.bodies}
	defer b.release()
	if result, err := s.verified(c, b); err != nil {
		b.release()
		// What is left is read and dropped, within the deadline: a client that still sends would not see the answer.
		_, _ = io.CopyN(io.Discard, all, 4*maxWebhook)
		s.metrics.delivery("", result)
		return err
	}
	event, err := parseGitHub(delivery, b.bytes())
	if err != nil {
		s.metrics.delivery(delivery.Event, "invalid")
		return problem(http.StatusBadRequest, err.Error())
	}
	delivery.Repository = event.Repository.FullName
	accepted, err := s.config.Intake(c.Request.Context(), delivery, event)
	if err != nil {
		s.metrics.delivery(delivery.Event, "unavailable")
		c.Header("Retry-After", retryAfter)
		return fmt.Errorf("recording a delivery: %w", errors.Join(
			problem(http.StatusServiceUnavailable, "the delivery could not be recorded; deliver it again"), err))
	}
	answer := DeliveryAnswer{Delivery: delivery.ID, Result: "accepted"}
	if !accepted {
		answer.Result = "duplicate"
	}
	s.metrics.delivery(delivery.Event, answer.Result)
	c.JSON(http.StatusAccepted, answer)
	return nil
}

// verified reads the body and checks who sent it, and that it is what the headers say. An error comes with its name in
// the metrics.
func (s *Server) verified(c *gin.Context, b *body) (result string, err error) {
	for _, name := range []string{"X-Hub-Signature-256", "X-GitHub-Delivery", "X-GitHub-Event", "Content-Type"} {
		if len(c.Request.Header.Values(name)) > 1 {
			return "invalid", problem(http.StatusBadRequest, "the header "+name+" stands more than once")
		}
	}
	if c.Request.ContentLength > maxWebhook {
		return "invalid", bodyProblem(&http.MaxBytesError{Limit: maxWebhook})
	}
	verifier, err := forge.NewVerifier(c.GetHeader("X-Hub-Signature-256"), s.config.WebhookSecrets...)
	if err != nil {
		return "unauthorized", problem(http.StatusUnauthorized, err.Error())
	}
	if err := b.read(bodyReader{c.Request.Body}, verifier.Write); err != nil {
		if problemOf(err).Status == http.StatusServiceUnavailable {
			c.Header("Retry-After", retryAfter)
			return "busy", err
		}
		return "invalid", err
	}
	if err := verifier.Verify(); err != nil {
		return "unauthorized", problem(http.StatusUnauthorized, err.Error())
	}
	if text := c.GetHeader("Content-Type"); text != "" {
		if kind, _, err := mime.ParseMediaType(text); err != nil || kind != "application/json" {
			return "invalid", problem(http.StatusUnsupportedMediaType, "the content type must be application/json: choose it in the webhook's settings")
		}
	}
	return "", nil
}

func parseGitHub(d queue.Delivery, body []byte) (forge.Event, error) {
	if !isToken(d.ID) || !isToken(d.Event) {
		return forge.Event{}, fmt.Errorf("the headers X-GitHub-Delivery and X-GitHub-Event are required: at most %d letters, digits, '-' and '_'", maxDeliveryID)
	}
	if !json.Valid(body) {
		return forge.Event{}, errors.New("the body is not JSON: set the webhook's content type to application/json")
	}
	return forge.Parse(d.Event, body)
}

func isToken(s string) bool {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	return s != "" && len(s) <= maxDeliveryID && strings.IndexFunc(s, func(r rune) bool { return !strings.ContainsRune(allowed, r) }) < 0
}
