package manifest

import (
	"cmp"
	"slices"
)

// Verdict says what became of one thing in the input.
type Verdict string

// The verdicts, as reports and docs spell them.
const (
	Translated   Verdict = "translated"
	Approximated Verdict = "approximated"
	Ignored      Verdict = "ignored"
	Refused      Verdict = "refused"
)

// Finding is one line of a report: what became of one key of the input, and why.
type Finding struct {
	// File of the input, relative to its source's root; empty when the finding is about the whole.
	File string `json:"file,omitempty"`
	// Subject is the Compose service, the object as "Kind/name", or the chart.
	Subject string `json:"subject,omitempty"`
	// Key is the field's path, such as "ports[0].host_ip".
	Key string `json:"key,omitempty"`
	// Verdict on the key.
	Verdict Verdict `json:"verdict"`
	// Reason in one plain sentence, with the remedy where there is one.
	Reason string `json:"reason"`
}

// Report collects the findings of one render. The zero Report is empty and ready; it is not safe for concurrent use.
type Report struct {
	Findings []Finding `json:"findings"`
}

// Add appends findings.
func (r *Report) Add(f ...Finding) { r.Findings = append(r.Findings, f...) }

// Sort orders the findings by file, subject, key, verdict and reason, and drops repetitions, so that the
// same render gives the same report.
func (r *Report) Sort() {
	slices.SortFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(a.File, b.File), cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.Key, b.Key),
			cmp.Compare(a.Verdict, b.Verdict), cmp.Compare(a.Reason, b.Reason))
	})
	r.Findings = slices.Compact(r.Findings)
}
