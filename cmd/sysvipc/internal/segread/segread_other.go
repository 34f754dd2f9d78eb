//go:build !linux

package segread

import (
	"errors"
	"os"
)

const seekData, seekHole = 3, 4

func isNoData(error) bool { return false }

// Open needs Linux.
func Open(int) (*View, error) { return nil, errors.ErrUnsupported }

// OpenThrough needs Linux.
func OpenThrough(int, []int) (*View, error) { return nil, errors.ErrUnsupported }

// Users needs Linux.
type Users struct{}

// Find needs Linux.
func Find() *Users { return nil }

// Open needs Linux.
func (*Users) Open(id int) (*View, error) { return Open(id) }

func mappedFile(int, int64, int) (*os.File, error) { return nil, errors.ErrUnsupported }
