"""Names of people, in Chinese and Latin script."""

from __future__ import annotations

from random import Random

_SURNAMES = (
    "王 Wang|李 Li|张 Zhang|刘 Liu|陈 Chen|杨 Yang|黄 Huang|赵 Zhao|周 Zhou|吴 Wu|徐 Xu|孙 Sun|马 Ma|朱 Zhu|胡 Hu|"
    "郭 Guo|何 He|高 Gao|罗 Luo|郑 Zheng|梁 Liang|谢 Xie|宋 Song|唐 Tang|许 Xu|韩 Han|冯 Feng|邓 Deng|曹 Cao|"
    "彭 Peng|曾 Zeng|肖 Xiao|田 Tian|董 Dong|袁 Yuan|潘 Pan|于 Yu|蒋 Jiang|蔡 Cai|余 Yu|杜 Du|叶 Ye|程 Cheng|苏 Su|"
    "魏 Wei|吕 Lyu|丁 Ding|任 Ren|沈 Shen|姚 Yao|卢 Lu|姜 Jiang|崔 Cui|钟 Zhong|谭 Tan|陆 Lu|汪 Wang|范 Fan|"
    "欧阳 Ouyang|诸葛 Zhuge"
)
_GIVEN = (
    "子涵 Zihan|雨桐 Yutong|浩然 Haoran|诗琪 Shiqi|宇轩 Yuxuan|梓萱 Zixuan|思远 Siyuan|佳怡 Jiayi|明哲 Mingzhe|"
    "欣妍 Xinyan|俊杰 Junjie|梦瑶 Mengyao|天宇 Tianyu|静 Jing|建国 Jianguo|敏 Min|磊 Lei|丽华 Lihua|志强 Zhiqiang|"
    "晓梅 Xiaomei|文博 Wenbo|若曦 Ruoxi|一鸣 Yiming|书瑶 Shuyao|泽宇 Zeyu|芷若 Zhiruo|嘉豪 Jiahao|婉清 Wanqing|"
    "博文 Bowen|语嫣 Yuyan|承志 Chengzhi|可馨 Kexin|景行 Jingxing|念慈 Nianci|少华 Shaohua|秀英 Xiuying|"
    "海燕 Haiyan|国栋 Guodong|春燕 Chunyan|立新 Lixin"
)
_ABROAD = (
    "艾玛·施耐德 Emma Schneider|卢卡·罗西 Luca Rossi|索菲·马丁 Sophie Martin|詹姆斯·科尔 James Cole|"
    "安娜·科瓦奇 Anna Kovács|彼得·拉森 Peter Larsen|玛丽亚·席尔瓦 Maria Silva|托马斯·穆勒 Thomas Müller|"
    "金秀贤 Kim Su-hyeon|佐藤美咲 Sato Misaki|奥利维亚·布朗 Olivia Brown|诺亚·雅各布森 Noah Jacobsen|"
    "伊内斯·加西亚 Inés García|拉吉·梅塔 Raj Mehta"
)
# These stand in GB18030's four-byte part: U+3402 and U+20BB7 are not in GBK.
RARE_NAMES = {"C0042": ("陈㐂来", "Chen Xilai"), "C0043": ("𠮷田健", "Yoshida Ken")}
FIRST_NAMES = {"C0001": ("林晓", "Lin Xiao"), "C0002": ("周航", "Zhou Hang")} | RARE_NAMES


def pairs(text: str) -> list[tuple[str, str]]:
    return [(zh, latin) for zh, _, latin in (entry.partition(" ") for entry in text.split("|"))]


def draw_names(random: Random, count: int) -> list[tuple[str, str]]:
    """``count`` different people, about one in fourteen from abroad."""
    surnames, given, abroad = pairs(_SURNAMES), pairs(_GIVEN), pairs(_ABROAD)
    random.shuffle(abroad)
    found: dict[str, str] = {}
    while len(found) < count:
        if abroad and random.random() < len(abroad) / count:
            zh, latin = abroad.pop()
        else:
            (family, family_latin), (first, first_latin) = random.choice(surnames), random.choice(given)
            zh, latin = family + first, f"{family_latin} {first_latin}"
        found.setdefault(zh, latin)
    return list(found.items())
