//go:build !linux

package inspect

import (
	"context"
	"errors"
	"fmt"
)

func take(context.Context, *Options) (*Snapshot, error) {
	return nil, fmt.Errorf("inspect: only Linux shows the users of objects: %w", errors.ErrUnsupported)
}
