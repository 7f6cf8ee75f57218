"""Short captions as people write them, by the encoding that their Windows saves them in."""

CAPTIONS = {
    "gb18030": """一个女孩, 白色背景
赛博朋克, 一个女孩
古风, 红色嫁衣, 回头
国画, 竹子, 熊猫
蓝天白云, 草原, 马
戴眼镜的男人, 西装, 办公室
雪山, 日出, 湖面倒影
可爱的小猫咪, 毛茸茸, 大眼睛
下雨的街道, 行人, 雨伞
机械少女, 未来城市, 霓虹
特写, 侧脸, 短发
masterpiece, 最好质量, 1girl, 长发
一杯咖啡, 木桌, 窗外
老街, 灯笼, 夜晚
海边, 沙滩, 夕阳
穿旗袍的女人站在桥上
玩具车, 黄色, 微距
中国龙, 云雾, 金色""",
    "big5": """一個女孩, 白色背景
賽博龐克, 一個女孩
古裝, 紅色嫁衣, 回頭
國畫, 竹子, 熊貓
藍天白雲, 草原, 馬
戴眼鏡的男人, 西裝, 辦公室
雪山, 日出, 湖面倒影
可愛的小貓咪, 毛茸茸, 大眼睛
下雨的街道, 行人, 雨傘
機械少女, 未來城市, 霓虹
特寫, 側臉, 短髮
masterpiece, 最好品質, 1girl, 長髮
一杯咖啡, 木桌, 窗外
老街, 燈籠, 夜晚
海邊, 沙灘, 夕陽
穿旗袍的女人站在橋上
玩具車, 黃色, 微距
臺灣夜市, 小吃攤""",
    "cp932": """女の子, 白い背景
サイバーパンク, 少女
和服, 赤い帯, 振り返る
水彩画, 竹, パンダ
青空, 草原, 馬
眼鏡をかけた男性, スーツ, オフィス
雪山と日の出, 湖
かわいい子猫, ふわふわ, 大きな瞳
雨の街, 傘
ロボット少女, 未来都市
横顔, ショートヘア
masterpiece, 最高品質, 1girl, ロングヘア
コーヒー, 木のテーブル, 窓
古い町, 提灯, 夜
海辺の夕日
橋の上に立つ浴衣の女性
おもちゃの車, 黄色
桜, 春, 逆光""",
    "cp949": """소녀, 흰색 배경
사이버펑크, 여자
한복, 빨간 치마, 뒤돌아보는
수채화, 대나무, 판다
푸른 하늘, 초원, 말
안경을 쓴 남자, 정장, 사무실
설산과 일출, 호수
귀여운 새끼 고양이, 큰 눈
비 오는 거리, 우산
로봇 소녀, 미래 도시
옆모습, 짧은 머리
masterpiece, 최고 품질, 1girl, 긴 머리
커피, 나무 탁자, 창문
오래된 거리, 등불, 밤
해변의 노을
다리 위에 서 있는 여자
장난감 자동차, 노란색
벚꽃, 봄, 역광""",
    "cp1251": """девочка, белый фон
киберпанк, девушка
народный костюм, красное платье
акварель, бамбук, панда
голубое небо, степь, лошадь
мужчина в очках, костюм, офис
снежные горы, рассвет, озеро
милый котёнок, большие глаза
дождливая улица, зонт
робот, город будущего
профиль, короткие волосы
masterpiece, лучшее качество, 1girl, длинные волосы
Кофе, деревянный стол, окно
старая улица, фонари, ночь
закат на берегу моря
Женщина стоит на мосту
игрушечная машинка, жёлтая
вишня, весна, контровой свет""",
    "cp1252": """ein Mädchen, weißer Hintergrund
jeune fille au café
vestido tradicional, niña pequeña
aquarelle, bambou, forêt
ciel bleu, prairie, été
Mann mit Brille, Anzug, Büro
montañas nevadas, amanecer
süßes Kätzchen, große Augen
rue pluvieuse, parapluie, soirée
robô, cidade do futuro, anoitecer
perfil, cabelo curto, sorriso tímido, luz, manhã
masterpiece, qualité, 1girl, cheveux châtains
Kaffee auf dem Holztisch, Fenster, gemütlich
vieille rue, lanternes, nuit étoilée
coucher de soleil à la plage
señora en el puente
gult leksaksbil, närbild
Kirschblüten, Frühling, Gegenlicht""",
}
