/** The answer is correct, but in a form that only the Connect library reads. Its reader has got no byte of it. */
export class UnusualAnswer extends Error {}

/** Makes calls over our own connections until one of the answers is unusual, and over the library from then on. */
export class UntilUnusual {
  #unusual = false;

  async call<T>(own: () => Promise<T>, library: () => Promise<T>): Promise<T> {
    if (!this.#unusual) {
      try {
        return await own();
      } catch (error) {
        if (!(error instanceof UnusualAnswer)) throw error;
        this.#unusual = true;
      }
    }
    return library();
  }
}
