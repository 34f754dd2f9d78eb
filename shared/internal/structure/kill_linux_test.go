package structure

import (
	"context"
	"fmt"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared/internal/core"
	"github.com/sysvipc/sysvipc/shared/shape"
)

func TestMain(m *testing.M) { ipctest.Main(m) }

// A killPoint lies between two steps of a call on a structure of type S. A process that is killed there leaves what W says.
// Package shared kills its users at each instruction, but on one port, and nowhere under the race detector.
type killPoint[S, W any] struct {
	name string
	to   func(s S, v *core.View) // goes there
	want W
}

// killPoints are those of one structure, which open opens.
type killPoints[S, W any] struct {
	open   func(r *core.Region) (S, error)
	points []killPoint[S, W]
	victim string
}

func pointsOf[S, W any](name string, open func(r *core.Region) (S, error), points []killPoint[S, W]) *killPoints[S, W] {
	return &killPoints[S, W]{open, points, ipctest.Register(name+" victim", func(c *ipctest.ChildEnv) {
		key, err := strconv.Atoi(c.Args[0])
		c.Check(err)
		point, err := strconv.Atoi(c.Args[1])
		c.Check(err)
		r, err := ensure(int32(key))
		c.Check(err)
		s, err := open(r)
		c.Check(err)
		v, err := any(s).(interface{ BeginWord() (*core.View, error) }).BeginWord()
		c.Check(err)
		points[point].to(s, v)
		c.Say("there")
		c.Listen()
	})}
}

// killCase is one point, on a structure of its own.
type killCase[S, W any] struct {
	ctx    context.Context
	region *core.Region
	it     S
	want   W
	asleep bool // when the victim is killed another process sleeps, and learns of it
	start  func() *ipctest.Process
}

// each calls test for each point, with and without a process that sleeps.
func (k *killPoints[S, W]) each(t *testing.T, test func(t *testing.T, c killCase[S, W])) {
	for i, point := range k.points {
		for _, asleep := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, asleep: %t", point.name, asleep), func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				defer cancel()
				key := ipctest.Key(t)
				r := regionAt(t, key)
				it, err := k.open(r)
				mustNot(t, err)
				test(t, killCase[S, W]{ctx, r, it, point.want, asleep, func() *ipctest.Process {
					p := ipctest.Start(t, k.victim, nil, strconv.Itoa(int(key)), strconv.Itoa(i))
					p.Expect("there")
					return p
				}})
			})
		}
	}
}

func ensure(key int32) (*core.Region, error) {
	return core.Ensure(context.Background(), "", sysvipc.Key(key), nil, Kinds)
}

func regionAt(t testing.TB, key int32) *core.Region {
	t.Helper()
	r, err := ensure(key)
	mustNot(t, err)
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func mustNot(t testing.TB, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// shapeOf is the shape of a T, which can be shared.
func shapeOf[T any]() shape.Shape {
	s, err := shape.Of(reflect.TypeFor[T]())
	if err != nil {
		panic(err)
	}
	return s
}

// lockNow takes a lock, as the first step of a writer.
func lockNow(r *core.Region, v *core.View, n *core.Node) *core.RobustOwner {
	g, _, _ := r.Lock(context.Background(), v, n, nil)
	return g
}
