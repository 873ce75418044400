// Browsers start no workers from disk. There, the search runs in a hidden frame that behaves like one.
if (location.protocol === "file:") {
  window.IFrameWorker = class extends EventTarget {
    constructor(url) {
      super()
      this.frame = document.createElement("iframe")
      this.frame.hidden = true
      document.body.append(this.frame)
      const inside = this.frame.contentWindow
      this.ready = new Promise((done) => this.frame.addEventListener("load", done))
      inside.document.open()
      inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }))
      inside.document.write(`<!doctype html><title>search</title><script src="${url}"></script>`)
      inside.document.close()
    }

    postMessage(data) {
      this.ready.then(() => this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data })))
    }

    terminate() {
      this.frame.remove()
    }
  }
  window.Worker = window.IFrameWorker
}
