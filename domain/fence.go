package domain

// Fence keeps local changes behind what a node has already published in a namespace. `To(room).Emit(bye)` followed by
// `Leave(room)` must not lose the farewell, although the emit takes the way through the log and the leave does not:
// so a change waits until everything that the node had appended when the change was asked for has come back from the
// log. With nothing outstanding it waits for nothing. Changes keep their order.
//
// C is the change. A Fence is not safe for concurrent use.
type Fence[C any] struct {
	compare func(a, b Offset) int
	// queue holds, from head on and oldest first, appends that have not come back and the changes behind them.
	queue  []fenceItem[C]
	head   int
	first  Ticket // of queue[head]
	cursor Offset
	// before is a position below which nothing will come any more.
	before Offset
}

// Ticket stands for an append between its call and its answer.
type Ticket uint64

type fenceItem[C any] struct {
	change   C
	isChange bool
	// Of an append: whether its answer is known, the position that it got, and whether the log began anew while
	// it was under way.
	resolved bool
	at       Offset
	orphan   bool
}

// NewFence returns a fence for a log that compares positions as given.
func NewFence[C any](compare func(a, b Offset) int) *Fence[C] {
	return &Fence[C]{compare: compare}
}

// Begin is called before an append; the ticket must be resolved.
func (f *Fence[C]) Begin() Ticket {
	f.push(fenceItem[C]{})
	return f.first + Ticket(len(f.queue)-f.head-1)
}

// push makes room at the front before it grows, so that a fence that is never empty stays small.
func (f *Fence[C]) push(item fenceItem[C]) {
	if len(f.queue) == cap(f.queue) && f.head > len(f.queue)/2 {
		kept := copy(f.queue, f.queue[f.head:])
		clear(f.queue[kept:])
		f.queue, f.head = f.queue[:kept], 0
	}
	f.queue = append(f.queue, item)
}

// Resolve is called when the append has its answer: the position it got, or the zero Offset when there is nothing to
// wait for (it failed, or its position is not known). The first answer counts.
func (f *Fence[C]) Resolve(t Ticket, at Offset) {
	if t < f.first || t-f.first >= Ticket(len(f.queue)-f.head) {
		return
	}
	item := &f.queue[f.head+int(t-f.first)]
	if item.resolved {
		return
	}
	item.resolved = true
	if !item.orphan {
		item.at = at
	}
}

// Pass moves the cursor: everything up to and including the position has come back. It never moves backwards; Restart
// does that.
func (f *Fence[C]) Pass(cursor Offset) {
	if f.compare(cursor, f.cursor) > 0 {
		f.cursor = cursor
	}
}

// Before says that nothing below a position will come any more: the entry there has been read. What waits for something
// below it, which was lost or dropped, waits no longer.
func (f *Fence[C]) Before(at Offset) {
	if f.compare(at, f.before) > 0 {
		f.before = at
	}
}

// Restart puts the cursor into a log that began anew. Positions from before cannot come back, so nothing waits for
// them any more. Of an append that is still under way nobody can say to which of the two logs its position will
// belong; what is behind it waits for its answer, but not for its coming back.
func (f *Fence[C]) Restart(cursor Offset) {
	f.cursor, f.before = cursor, ""
	for i := f.head; i < len(f.queue); i++ {
		f.queue[i].at = ""
		f.queue[i].orphan = true
	}
}

// Cursor is the position up to which everything has come back.
func (f *Fence[C]) Cursor() Offset { return f.cursor }

// Add puts a change behind everything that is outstanding. It reports true when there is nothing: the change is then
// not kept, the caller makes it at once.
func (f *Fence[C]) Add(change C) (now bool) {
	f.settle()
	if !f.Outstanding() {
		return true
	}
	f.push(fenceItem[C]{change: change, isChange: true})
	return false
}

// Next takes the next change that has nothing outstanding before it. The caller makes it before it asks again, and
// asks after every Resolve, Pass and Restart until there is none.
func (f *Fence[C]) Next() (change C, ok bool) {
	f.settle()
	if !f.Outstanding() || !f.queue[f.head].isChange {
		return change, false
	}
	change = f.queue[f.head].change
	f.pop()
	return change, true
}

// settle drops the appends at the head that have come back, or need not.
func (f *Fence[C]) settle() {
	for f.Outstanding() {
		head := &f.queue[f.head]
		if head.isChange || !head.resolved || f.mayCome(head.at) {
			return
		}
		f.pop()
	}
}

// mayCome reports whether the append that got a position may still come back.
func (f *Fence[C]) mayCome(at Offset) bool {
	return at != "" && f.compare(at, f.cursor) > 0 && f.compare(at, f.before) >= 0
}

func (f *Fence[C]) pop() {
	f.queue[f.head] = fenceItem[C]{}
	f.head++
	f.first++
	if f.head == len(f.queue) {
		f.queue, f.head = f.queue[:0], 0
	}
}

// Outstanding reports whether anything waits.
func (f *Fence[C]) Outstanding() bool { return f.head < len(f.queue) }

// Len is how many appends and changes wait.
func (f *Fence[C]) Len() int { return len(f.queue) - f.head }
