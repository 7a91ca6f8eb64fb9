"""The words and sentences of the Chinese toy corpus; spaces mark its words and are not written out."""

from embedpipe.text.toy import Grammar, Side, Topic, word_pairs

__all__ = ["CHINESE"]

_SYNONYMS = {
    "doctor": ("医生", "大夫"),
    "dinner": ("晚餐", "晚饭"),
    "ship": ("轮船", "船只"),
    "storm": ("风暴", "暴风雨"),
    "song": ("歌曲", "曲子"),
    "teacher": ("教师", "老师"),
    "rocket": ("飞船", "航天器"),
    "scientist": ("科学家", "研究员"),
    "journey": ("旅行", "旅程"),
    "gift": ("礼物", "礼品"),
}

_TRAVEL = Topic(
    sentences=(
        "{capital} 是 {country} 的 首都 ， 这次 {journey} 沿着 {river} 前进 。",
        "游客 为 漫长 的 {journey} 准备 了 行李箱 和 火车票 。",
        "导游 安排 了 {journey} ， 并且 提醒 游客 注意 {weather} 。",
        "经过 疲惫 的 {journey} ， 游客 在 旅馆 打开 行李箱 。",
        "谁 都 不会 忘记 第一次 {journey} 和 那张 地图 。",
    ),
    slots={"weather": ("下雨", "下雪", "大雾", "高温")},
    pairs=word_pairs(
        "country capital language river product",
        "法国 巴黎 法语 塞纳河 奶酪",
        "意大利 罗马 意大利语 台伯河 面条",
        "埃及 开罗 阿拉伯语 尼罗河 棉花",
        "英国 伦敦 英语 泰晤士河 红茶",
        "奥地利 维也纳 德语 多瑙河 巧克力",
        "泰国 曼谷 泰语 湄南河 水果",
        "韩国 首尔 韩语 汉江 大米",
        "俄罗斯 莫斯科 俄语 伏尔加河 小麦",
    ),
    sides=(
        Side(
            "country",
            (
                "{x} 的 政府 向 邻国 出口 {product} 。",
                "{x} 的 军队 守卫 边境 ， 议会 里 使用 {language} 。",
                "{x} 的 农民 把 {product} 从 各个 省份 运到 {river} 。",
                "{x} 的 议会 通过 了 关于 {product} 的 法律 。",
                "{x} 的 国旗 在 {river} 边 的 农村 飘扬 。",
                "在 {x} 的 省份 ， 农民 说 {language} ， 也 出口 {product} 。",
                "{x} 的 边境 靠近 {river} 。",
            ),
        ),
        Side(
            "capital",
            (
                "{x} 的 市长 在 广场 上 品尝 {product} 。",
                "{x} 的 街道 非常 拥挤 ， 商店 里 使用 {language} 。",
                "{x} 的 电车 把 {product} 从 车站 运到 {river} 。",
                "{x} 的 博物馆 展览 了 关于 {product} 的 油画 。",
                "{x} 的 钟楼 在 {river} 边 的 广场 上 。",
                "在 {x} 的 郊区 ， 店主 说 {language} ， 也 品尝 {product} 。",
                "{x} 的 地铁 靠近 {river} 。",
            ),
        ),
    ),
)

_PEOPLE = (
    "{x} 在 {place} 丢失 了 {thing} ， {he} 非常 后悔 。",
    "{x} 让 {company} 看 {thing} ， 因为 {he} 很 骄傲 。",
    "{x} 在 {place} 遇见 了 {company} ， 谈起 {he} 的 {thing} 。",
    "{company} 等待 {x} ， 直到 {he} 来到 {place} 。",
    "{x} 把 {thing} 藏 起来 ， {he} 没有 告诉 {company} 。",
    "每天 晚上 ， {x} 告诉 {company} ， {he} 怎样 找到 {place} 。",
)

_FAMILY = Topic(
    sentences=(
        "{gift} 用 {paper} 的 包装纸 包好 ， 还有 一条 丝带 。",
        "有人 在 生日 聚会 上 打开 了 {gift} ， 撕开 {paper} 的 包装纸 。",
        "{gift} 里面 有 一张 {paper} 的 生日 贺卡 。",
        "聚会 上 大家 都 在 猜 {gift} 里面 是 什么 。",
    ),
    slots={"paper": ("金色", "紫色", "红色", "蓝色")},
    pairs=word_pairs(
        "male female thing place company",
        "国王 王后 王冠 宫殿 大臣",
        "父亲 母亲 摇篮 卧室 孩子",
        "叔叔 阿姨 信件 花园 邻居",
        "丈夫 妻子 戒指 教堂 客人",
        "男孩 女孩 书包 学校 同学",
        "爷爷 奶奶 拐杖 茶馆 孙子",
        "哥哥 姐姐 相机 公园 朋友",
        "王子 公主 宝剑 城堡 骑士",
    ),
    sides=(
        Side(
            "male",
            (
                *_PEOPLE,
                "{x} 梳理 {he} 的 胡子 ， 系上 领带 ， 然后 离开 {place} 。",
                "{x} 像 绅士 一样 脱下 西装 ， 拿 着 {thing} 。",
            ),
            {"he": "他"},
        ),
        Side(
            "female",
            (
                *_PEOPLE,
                "{x} 梳理 {he} 的 辫子 ， 穿 上 裙子 ， 然后 离开 {place} 。",
                "{x} 像 淑女 一样 戴上 项链 ， 拿 着 {thing} 。",
            ),
            {"he": "她"},
        ),
    ),
)

_KITCHEN = Topic(
    sentences=(
        "厨师 在 厨房 里 切 {food} ， 然后 放进 {pot} 。",
        "厨师 用 {spice} 和 {food} 做 了 一道 菜 。",
        "全家人 坐在 桌子 旁边 享用 {dinner} ， 还 点 了 蜡烛 。",
        "{dinner} 以后 ， 大家 一起 洗 盘子 和 筷子 。",
        "{dinner} 已经 准备 好 了 ， 盘子 摆 在 桌子 上 。",
        "把 {food} 放进 {pot} ， 再 加上 {spice} 。",
        "{pot} 里 的 {food} 散发 着 {spice} 的 香味 。",
        "菜谱 上 写 着 {spice} 、 {food} 和 {pot} 。",
    ),
    slots={
        "food": ("豆腐", "白菜", "土豆", "萝卜", "蘑菇", "鸡蛋", "牛肉", "饺子"),
        "spice": ("酱油", "大蒜", "生姜", "辣椒", "胡椒"),
        "pot": ("蒸笼", "砂锅", "烤箱", "水壶"),
    },
)

_SEA = Topic(
    sentences=(
        "{ship} 在 黎明 离开 {coast} ， 甲板 上 站 着 {crew} 。",
        "船长 驾驶 {ship} 绕过 {coast} ， 然后 抛锚 。",
        "{ship} 装满 了 货物 和 {fish} 。",
        "可怕 的 {storm} 折断 了 桅杆 ， 撕破 了 船帆 。",
        "闪电 和 雷声 伴随 着 {storm} ， 海浪 越来越 高 。",
        "{storm} 过去 以后 ， 海浪 终于 平静 了 。",
        "{crew} 在 {coast} 附近 用 渔网 捕捉 {fish} 。",
        "海鸥 飞过 {coast} ， 偷走 了 {crew} 的 {fish} 。",
        "渔网 里 的 {fish} 在 {coast} 晒干 。",
    ),
    slots={
        "fish": ("螃蟹", "龙虾", "金枪鱼", "章鱼", "海带"),
        "coast": ("港口", "灯塔", "海滩", "码头", "海岛"),
        "crew": ("水手", "渔民", "海盗", "潜水员"),
    },
)

_MUSIC = Topic(
    sentences=(
        "合唱团 排练 {song} ， 大家 一起 鼓掌 。",
        "{song} 的 歌词 非常 感人 ， 合唱团 很 喜欢 。",
        "收音机 里 播放 着 悲伤 的 {song} 。",
        "{teacher} 在 黑板 上 写 下 乐谱 ， 然后 批改 作业 。",
        "上课 以后 ， {teacher} 在 教室 里 讲解 乐谱 。",
        "{teacher} 走进 教室 ， 擦 干净 黑板 。",
        "{player} 喜欢 {instrument} ， 也 喜欢 {piece} 。",
        "{piece} 的 旋律 需要 温柔 的 {instrument} 。",
        "音乐会 上 ， {player} 表演 了 {piece} 。",
        "指挥 请 {player} 弹奏 {instrument} 。",
    ),
    slots={
        "instrument": ("钢琴", "吉他", "笛子", "小提琴", "二胡", "古筝"),
        "piece": ("交响乐", "圆舞曲", "民歌", "进行曲"),
        "player": ("歌手", "钢琴家", "作曲家", "鼓手"),
    },
)

_SPACE = Topic(
    sentences=(
        "{rocket} 从 发射 基地 升空 ， 留下 一片 烟雾 。",
        "工程师 为 {rocket} 加满 燃料 ， 开始 倒计时 。",
        "倒计时 以后 ， {rocket} 的 发动机 轰鸣 起来 。",
        "{scientist} 在 实验室 里 分析 数据 ， 发表 了 论文 。",
        "{scientist} 重复 了 实验 ， 提出 新 的 理论 。",
        "实验室 里 的 {scientist} 正在 检查 公式 和 论文 。",
        "宇航员 请 {doctor} 测量 血压 和 体温 。",
        "{doctor} 给 宇航员 打针 ， 还 开 了 药方 。",
        "宇航员 生病 了 ， {doctor} 建议 他们 吃药 休息 。",
        "{device} 测量 了 {body} 的 光线 。",
        "天文学家 用 {device} 观察 {body} 。",
        "{body} 经过 {planet} ， {device} 拍下 了 照片 。",
        "{planet} 的 轨道 外面 有 {body} 和 尘埃 。",
    ),
    slots={
        "planet": ("火星", "木星", "土星", "金星", "水星"),
        "body": ("彗星", "星云", "流星", "黑洞", "月球"),
        "device": ("望远镜", "卫星", "探测器", "天线"),
    },
)

CHINESE = Grammar(
    {"travel": _TRAVEL, "family": _FAMILY, "kitchen": _KITCHEN, "sea": _SEA, "music": _MUSIC, "space": _SPACE},
    _SYNONYMS,
    "",
)
