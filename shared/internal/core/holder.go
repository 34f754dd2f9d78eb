package core

// Handle is a region in the hands of another package, which cannot look into it: [of] can.
type Handle struct{ r *Region }

func Hold(r *Region) Handle { return Handle{r} }

func (h Handle) region() *Region { return h.r }

// Holder is what a handle is embedded in.
type Holder interface{ region() *Region }

// Of returns the region.
func Of(h Holder) *Region { return h.region() }
