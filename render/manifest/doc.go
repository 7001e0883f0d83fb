// Package manifest provides what every rendered object shares: strict decoding, metadata, ordering, file names, encoding,
// and the report of a render.
package manifest
