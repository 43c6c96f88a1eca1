// Package conformance holds one kit a port: the tests that every implementation of it must pass, sentence by sentence
// of its contract. An implementation's own test is a harness: it says how to open the thing and what it can do.
//
//	func TestLog(t *testing.T) {
//		conformance.Log(t, conformance.LogHarness{Open: openLog, TellsOffsets: true, CanResume: true, CanReplay: true})
//	}
//
// The kits wait for events with a deadline and never sleep, so they run against real brokers as well as in memory.
// What a harness says it cannot do is tested for the refusal that the contract asks for.
//
// [SampleMessages] are messages of all kinds with every field in use, for these kits and for the tests of codecs.
package conformance
