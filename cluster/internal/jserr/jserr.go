// Package jserr names the error codes of JetStream that nats.go has no name for, as the
// server does.
package jserr

import (
	"errors"
	"slices"

	"github.com/nats-io/nats.go/jetstream"
)

// Codes of the server's answers.
const (
	ClusterNoPeers                  jetstream.ErrorCode = 10005
	MemoryResourcesExceeded         jetstream.ErrorCode = 10028
	StorageResourcesExceeded        jetstream.ErrorCode = 10047
	StreamMessageExceedsMaximum     jetstream.ErrorCode = 10054
	StreamStoreFailed               jetstream.ErrorCode = 10077 // such as that the stream is full, in its words
	ConsumerWQMultipleUnfiltered    jetstream.ErrorCode = 10099
	ConsumerWQConsumerNotUnique     jetstream.ErrorCode = 10100
	ConsumerOffline                 jetstream.ErrorCode = 10119
	StreamDuplicateMessageConflict  jetstream.ErrorCode = 10158 // a message with this ID is being stored
	StreamWrongLastSequenceConstant jetstream.ErrorCode = 10164 // in a cluster, while another message is being stored
)

// Is reports whether the server answered with one of the codes.
func Is(err error, codes ...jetstream.ErrorCode) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && slices.Contains(codes, api.ErrorCode)
}

// IsOverlap reports whether a consumer cannot be made since another one has the same messages.
func IsOverlap(err error) bool {
	return Is(err, ConsumerWQConsumerNotUnique, ConsumerWQMultipleUnfiltered)
}
