package server

import (
	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/gitops/queue"
)

// complete fills what follows from the key and the outcome.
func (e *Environment) complete(key v1alpha1.EnvironmentKey) {
	e.Key, e.Namespace = key.String(), key.Namespace()
	state, message := "", ""
	if e.Outcome != nil {
		state, message = e.Outcome.State, e.Outcome.Message
	}
	rendered := Condition{Type: "Rendered", Status: "Unknown", Reason: "NotYet", Message: message}
	committed := Condition{Type: "Committed", Status: "Unknown", Reason: "NotYet"}
	e.Phase = "Pending"
	switch state {
	case queue.StateCommitted, queue.StateUnchanged:
		e.Phase = "Deploying"
		rendered.Status, rendered.Reason = "True", "Rendered"
		committed.Status, committed.Reason = "True", "Committed"
	case queue.StateFailed:
		e.Phase = "Failed"
		rendered.Status, rendered.Reason = "False", "Failed"
		committed.Status, committed.Reason = "False", "Failed"
	case queue.StateRenderOnly:
		rendered.Status, rendered.Reason = "True", "Rendered"
		committed.Status, committed.Reason = "False", "RenderOnly"
	case queue.StateHeld:
		committed.Status, committed.Reason = "False", "Held"
	case queue.StateSkipped:
		rendered.Status, rendered.Reason = "False", "Skipped"
		committed.Status, committed.Reason = "False", "Skipped"
	case queue.StateDeleted:
		e.Phase = "Terminating"
		committed.Status, committed.Reason = "True", "Deleted"
	case queue.StateExpired:
		e.Phase = "Terminating"
		committed = Condition{Type: "Committed", Status: "True", Reason: "Expired", Message: message}
	}
	e.Conditions = []Condition{rendered, committed}
}
