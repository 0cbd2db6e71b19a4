import type { EvaluationFeed, LabelledData } from "../modality.js";
import type { TextInput } from "./input.js";
export async function openLabelledText(..._: unknown[]): Promise<LabelledData<TextInput>> {
  throw new Error("text: labelled data isn't supported yet");
}
export async function openJudgedText(..._: unknown[]): Promise<EvaluationFeed<TextInput>> {
  throw new Error("text: labelled data isn't supported yet");
}
