// Package server provides Catalyst over HTTP: webhooks, the API, health and metrics.
//
// Every route but health, the API's description and the webhooks asks for the bearer token; webhooks are signed.
// Errors are RFC 9457 problem documents.
package server
