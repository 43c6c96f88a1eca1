package domain

// Fence keeps local changes behind what a node has already published in a namespace. `To(room).Emit(bye)` followed by
// `Leave(room)` must not lose the farewell, although the emit takes the way through the log and the leave does not:
// so a change waits until everything that the node had appended when the change was asked for has come back from the
// log. With nothing outstanding it waits for nothing. Changes keep their order.
//
// C is the change. A Fence is not safe for concurrent use.
type Fence[C any] struct {
	compare func(a, b Offset) int
	// queue holds, oldest first, appends that have not come back and the changes behind them.
	queue  []fenceItem[C]
	first  Ticket
	cursor Offset
}

// Ticket stands for an append between its call and its answer.
type Ticket uint64

type fenceItem[C any] struct {
	change   C
	isChange bool
	// Of an append: whether its answer is known, and the position that it got.
	resolved bool
	at       Offset
}

// NewFence returns a fence for a log that compares positions as given.
func NewFence[C any](compare func(a, b Offset) int) *Fence[C] {
	return &Fence[C]{compare: compare}
}

// Begin is called before an append; the ticket must be resolved.
func (f *Fence[C]) Begin() Ticket {
	f.queue = append(f.queue, fenceItem[C]{})
	return f.first + Ticket(len(f.queue)-1)
}

// Resolve is called when the append has its answer: the position it got, or the zero Offset when there is nothing to
// wait for (it failed, or its position is not known).
func (f *Fence[C]) Resolve(t Ticket, at Offset) {
	if t < f.first || t-f.first >= Ticket(len(f.queue)) {
		return
	}
	item := &f.queue[t-f.first]
	item.resolved, item.at = true, at
}

// Pass moves the cursor: everything up to and including the position has come back. It never moves backwards; Restart
// does that.
func (f *Fence[C]) Pass(cursor Offset) {
	if f.compare(cursor, f.cursor) > 0 {
		f.cursor = cursor
	}
}

// Restart puts the cursor into a log that began anew. Positions from before cannot come back, so nothing waits for
// them any more.
func (f *Fence[C]) Restart(cursor Offset) {
	f.cursor = cursor
	for i := range f.queue {
		if f.queue[i].resolved {
			f.queue[i].at = ""
		}
	}
}

// Cursor is the position up to which everything has come back.
func (f *Fence[C]) Cursor() Offset { return f.cursor }

// Add puts a change behind everything that is outstanding. It reports true when there is nothing: the change is then
// not kept, the caller makes it at once.
func (f *Fence[C]) Add(change C) (now bool) {
	if len(f.queue) == 0 {
		return true
	}
	f.queue = append(f.queue, fenceItem[C]{change: change, isChange: true})
	return false
}

// Next takes the next change that has nothing outstanding before it. The caller makes it before it asks again, and
// asks after every Resolve, Pass and Restart.
func (f *Fence[C]) Next() (change C, ok bool) {
	for len(f.queue) > 0 {
		head := f.queue[0]
		if !head.isChange && (!head.resolved || (head.at != "" && f.compare(head.at, f.cursor) > 0)) {
			return change, false
		}
		f.queue[0] = fenceItem[C]{}
		f.queue = f.queue[1:]
		f.first++
		if head.isChange {
			return head.change, true
		}
	}
	return change, false
}

// Outstanding reports whether anything waits.
func (f *Fence[C]) Outstanding() bool { return len(f.queue) > 0 }
