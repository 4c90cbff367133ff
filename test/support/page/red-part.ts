/**
 * In the page: the part of a PNG, in base64, that is red. A PDF is drawn by a program of the browser, which a page cannot
 * look into, but a picture of the page shows it.
 */
export async function redPart(base64: string): Promise<number> {
  const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  const image = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
  const canvas = new OffscreenCanvas(image.width, image.height).getContext("2d")!;
  canvas.drawImage(image, 0, 0);
  const { data } = canvas.getImageData(0, 0, image.width, image.height);
  let red = 0;
  for (let at = 0; at < data.length; at += 4) {
    if (data[at]! > 200 && data[at + 1]! < 50 && data[at + 2]! < 50) red++;
  }
  return (4 * red) / data.length;
}
