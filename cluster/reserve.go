package cluster

import (
	"context"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sysvipc/sysvipc/cluster/internal/jserr"
)

// defaultBytes is the capacity of a queue that was not told one, and of the bucket: a queue that
// nobody drains must not fill the servers' store, on which all others are. The servers reserve
// it, so that all that is reserved can be used.
const defaultBytes = 256 << 20

// reserve makes a stream. If it has the default capacity, and the servers have less to reserve,
// it has a quarter of what they can still give to one.
func (c *Conn) reserve(ctx context.Context, cfg jetstream.StreamConfig) (jetstream.Stream, error) {
	s, err := c.js.CreateStream(ctx, cfg)
	if !cannotReserve(err) || cfg.MaxBytes != defaultBytes {
		return s, err
	}
	for cannotReserve(err) && cfg.MaxBytes > 1<<16 {
		cfg.MaxBytes /= 2
		s, err = c.js.CreateStream(ctx, cfg)
	}
	if err == nil {
		cfg.MaxBytes /= 4
		s, err = c.js.UpdateStream(ctx, cfg)
	}
	return s, err
}

// cannotReserve reports whether the servers have not so many bytes left.
func cannotReserve(err error) bool {
	return jserr.Is(err, jserr.MemoryResourcesExceeded, jserr.StorageResourcesExceeded) ||
		jserr.Is(err, jserr.ClusterNoPeers) && (strings.Contains(err.Error(), "storage") || strings.Contains(err.Error(), "memory"))
}
