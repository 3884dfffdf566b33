/** What the phone itself says, in Korean and English. */

const TEXTS = {
  ko: {
    bot: "봇", connecting: "연결 중…", typing: "입력 중", upload_photo: "사진 보내는 중", upload_document: "파일 보내는 중", busy: "작업 중",
    placeholder: "메시지", menu: "메뉴", start: "시작", restart: "봇 다시 시작", pinned: "고정된 메시지", edited: "수정됨",
    pinned_service: "님이 메시지를 고정했습니다", today: "오늘", yesterday: "어제", photo: "사진", file: "파일", forwarded: "전달한 사람: ",
    copied: "클립보드에 복사했습니다", people: "사용자", language: "언어", theme: "화면", light: "밝게", dark: "어둡게", ok: "확인",
    you: "나", reply: "답장", empty: "아직 메시지가 없습니다", never: "시작하지 않음", blocked: "차단함", started: "대화 중", failed: "보내지 못했습니다",
  },
  en: {
    bot: "bot", connecting: "connecting…", typing: "typing", upload_photo: "sending a photo", upload_document: "sending a file", busy: "working",
    placeholder: "Message", menu: "Menu", start: "START", restart: "RESTART BOT", pinned: "Pinned Message", edited: "edited",
    pinned_service: " pinned a message", today: "Today", yesterday: "Yesterday", photo: "Photo", file: "File", forwarded: "Forwarded from ",
    copied: "Copied to clipboard", people: "People", language: "Language", theme: "Appearance", light: "Light", dark: "Dark", ok: "OK",
    you: "You", reply: "Reply to ", empty: "No messages here yet", never: "not started", blocked: "blocked", started: "in the chat", failed: "Not sent",
  },
};

let language = "ko";

export function setLanguage(name) {
  language = name in TEXTS ? name : "en";
  document.documentElement.lang = language;
}

export const currentLanguage = () => language;
export const say = (name) => TEXTS[language][name];

export function clockTime(ms) {
  return new Date(ms).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
}

export function dayName(ms) {
  const day = new Date(ms);
  const days = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(ms).setHours(0, 0, 0, 0)) / 86400000);
  if (days === 0) return say("today");
  if (days === 1) return say("yesterday");
  return day.toLocaleDateString(language, { month: "long", day: "numeric" });
}

export function fileSize(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 1048576 ? `${(bytes / 1024).toFixed(1)} KB` : `${(bytes / 1048576).toFixed(1)} MB`;
}
