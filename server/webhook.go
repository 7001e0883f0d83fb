package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"catalyst.dev/catalyst/gitops/forge"
	"catalyst.dev/catalyst/gitops/queue"
)

const (
	// maxWebhook is the largest payload that GitHub sends.
	maxWebhook = 25 << 20
	// maxDeliveryID is more than a GUID's 36.
	maxDeliveryID = 100
	// retryAfter in seconds, when the database does not take a delivery.
	retryAfter = "10"
)

// DeliveryAnswer is the answer to a webhook.
type DeliveryAnswer struct {
	// Delivery ID.
	Delivery string `json:"delivery"`
	// Result is "accepted", or "duplicate" for a delivery seen before.
	Result string `json:"result"`
}

// githubWebhook takes a webhook in this order: size, signature over the raw bytes, headers, JSON, database. Nothing in
// the body is looked at before the signature holds.
func (s *Server) githubWebhook(c *gin.Context) error {
	received := time.Now()
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, maxWebhook))
	if err != nil {
		return bodyProblem(err)
	}
	if err := forge.VerifySignature(body, c.GetHeader("X-Hub-Signature-256"), s.config.WebhookSecrets...); err != nil {
		s.metrics.delivery("", "unauthorized")
		return problem(http.StatusUnauthorized, err.Error())
	}
	delivery := queue.Delivery{ID: c.GetHeader("X-GitHub-Delivery"), Event: c.GetHeader("X-GitHub-Event"), ReceivedAt: received}
	event, err := parseGitHub(delivery, body)
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

func bodyProblem(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return problem(http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", tooLarge.Limit))
	}
	return problem(http.StatusBadRequest, "the body ended early")
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
