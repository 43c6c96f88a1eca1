// Package diagnostics is what a node can say of itself, and how it is asked over the cluster: for the person who wants to
// know, at three in the morning, where a message went.
//
// A [Recorder] remembers, in bounded memory: the spans of recent messages, what went wrong or changed, and what the node
// did in each second of the last ten minutes. It takes this from where it passes by anyway:
//
//	recorder := diagnostics.NewRecorder(diagnostics.Config{})
//	tracer, err := tracing.New(tracing.Config{TracerProvider: recorder.Provider(), Node: "chat-1"})
//	node, err := app.NewNode(tracer.Log(recorder.Log(log)), tracer.Channel(channel), sessions, app.Config{
//		Name:     "chat-1",
//		Observer: tracer.Observer(recorder.Observer(nil)),
//	})
//
// A process that exports spans as well gives its own provider the recorder as a processor, and [Recorder.Sampler].
//
// A [Service] makes the node answer for it, and asks the others:
//
//	service, err := diagnostics.NewService(node, recorder, diagnostics.Sources{})
//	err = node.Run(ctx)
//	reply, err := service.Ask(ctx, diagnostics.Question{Status: &diagnostics.StatusQuestion{}})
//
// # Who can ask
//
// Questions are server-side emits in a namespace of their own, [Namespace], which no client can enter. Whoever can write
// to the log (the Redis, say) can ask, as he can do everything else there. Answers have no payloads, no session ids and no
// passwords; names of rooms are in the answer to the question for rooms alone, and in spans if the application has put
// them there.
//
// # What it costs
//
// Nothing is sent while nobody asks, but for the heartbeats of one more namespace: an entry of the log every five seconds
// a node. Node.js servers pass over them, as they do over all of a namespace that they do not have. An answer is smaller
// than [MaxAnswer]. Where the transport has no lane of its own for answers they pass through the log, so a console that
// is open takes about as many of its entries a second as there are nodes.
//
// The spans of a message cost a few microseconds on each node; [Config].TracesPerSecond bounds of how many messages they
// are taken, and so the cost as a whole. All others cost a fraction of a microsecond. BenchmarkOverRedis measures it.
package diagnostics
