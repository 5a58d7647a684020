"""What owners and the brands write in the community."""

# id | zh | en | zh copy | en copy
TOPICS = """
TP01|用车日记|Everyday drives|记录通勤与周末。|Commutes and weekends.
TP02|自驾路线|Road trips|好路线一起走。|Routes worth sharing.
TP03|充电心得|Charging|桩、价格与习惯。|Stations, prices and habits.
TP04|改装与精致|Care and style|洗护、贴膜与小物。|Cleaning, films and small things.
TP05|提车作业|New cars|第一天的照片。|Pictures from day one.
TP06|智驾体验|Assisted driving|领航与泊车的真实感受。|How it really feels.
TP07|问答互助|Questions|车友来回答。|Owners answer.
TP08|官方|From the brand|活动与新功能。|Events and new features.
"""

# topic | zh title | zh body; {model}, {city}, {km} and {month} are filled in
POSTS = """
TP01|{model} 通勤 {km} 公里小结|每天往返{city}高新区，平均电耗 13.4，比预想的省。座椅久坐也不累。
TP01|早高峰的小确幸|堵在高架上，氛围灯跟着歌慢慢变色，突然觉得堵车也没那么烦。
TP01|宝宝在后排睡着了|隔音是真好，{city}的晚高峰，他一路睡到家。
TP01|雨天视野|流媒体后视镜在暴雨里救了我一次，推荐选装。
TP01|{model} 冬天第一次上冰面|开了雪地模式，起步很稳，方向盘加热是刚需。
TP02|{city}出发的周末环线|三百二十公里，中途补一次电，沿途两个观景台适合拍日落。
TP02|川西小环线 {km} 公里|海拔四千米电耗没有想象中夸张，服务区的桩都能用，记得提前规划。
TP02|海边露营一夜|外放电带了电火锅和投影，早上还剩 61% 的电。
TP02|带父母走古镇|三排腿部空间够用，老人上下车也方便。
TP03|家充安装全过程|从报装到通电一共九天，物业沟通花了五天，把材料清单放在评论区。
TP03|{city}超充排队情况|周五晚上七点等了八分钟，功率稳定在 170 千瓦左右。
TP03|冬季预热能省多少时间|到站前二十分钟打开电池预热，10% 到 80% 快了七分钟。
TP03|谷电一年账单|{km} 公里，电费九百一十六元，比上一台车省了一万多。
TP04|洗车心得|哑光漆别用自动洗车机，我用两桶法，四十分钟搞定。
TP04|{model} 的收纳方案|后备厢网兜加折叠箱，婴儿车和露营椅同时放得下。
TP04|车内小绿植|磁吸花盆放在无线充电旁边，开了一个月还活着。
TP04|脚垫对比|原厂 TPE 和羊毛各用了半年，雨季还是 TPE 省心。
TP05|{model} 提车啦|等了四十四天，交付专员把车擦得很亮，还准备了花。
TP05|曜石灰实拍|阴天偏灰，晴天偏蓝，比官图耐看。
TP05|从下定到提车的时间线|定金、锁单、排产、下线、到店，每个节点 App 都有提醒，不焦虑。
TP06|城市领航一个月体验|{city}早晚高峰用了二十八次，接管三次，都是施工路段。
TP06|自动泊车挑战老小区|左右各留十五厘米，一把入库，邻居围观。
TP06|高速领航的变道策略|打灯前会先观察两秒，比我稳。
TP06|夜视系统拍到了小鹿|山路上提前减速，真的有用。
TP07|哨兵模式一晚耗电多少|放了一晚掉了 4%，大家也是这样吗？
TP07|{month} 月 OTA 后蓝牙断连|升级后每次上车都要手动连，有没有车友遇到？已反馈客服。
TP07|首保需要预约吗|第一次做保养，{city}的中心要提前多久约？
TP07|儿童锁在哪里设置|找了半天，原来在中控的车辆设置第二页。
TP07|轮胎换位周期|一万公里换一次够吗？市区为主。
"""

# topic | en title | en body
ENGLISH_POSTS = """
TP02|Shanghai to Moganshan and back|One charge was enough. The bamboo roads are best before nine.
TP03|Charging as a newcomer|The app pays everywhere, no card needed. Took me a week to trust it.
TP05|Picked up our A7|Six weeks from order to key. The build milestones in the app were fun to watch.
TP06|City pilot and scooters|It gives them more room than I do. Impressed so far.
TP07|English voice pack|Is there a way to keep navigation in English and music in Chinese?
"""

# brand | zh title | zh body
BRAND_POSTS = """
ASTER|3.4.0 版本推送开始|新增加速提升包与露营模式优化，本周起分批推送，升级约需三十五分钟。
ASTER|车主日：上海站报名|赛道体验、亲子工坊与改装展，名额二百组，先到先得。
ASTER|冬季用车小贴士|预热电池、检查胎压、开启座椅加热，三步让冬天更从容。
ASTER|E9 典藏版交付启动|首批车主将于本月底陆续收到交付邀约。
VELA|薄荷绿回归|呼声最高的颜色重新上架，V3 全系可选。
VELA|宠物友好出行指南|宠物模式、后排垫与补水小站，带它一起去。
VELA|城市涂鸦大赛开奖|感谢八百多份作品，前二十名将制成限量车贴。
"""

COMMENTS = """
写得很细，收藏了。
同城，周末一起？
这颜色绝了。
我家也是，等一个后续。
谢谢分享，正好下周要去。
请教一下是什么轮毂？
已经约了试驾，看完更心动了。
客服回复说下个版本修复。
电耗比我低，学习一下驾驶习惯。
小朋友的表情太可爱了。
建议早上六点前过观景台，人少。
物业材料清单求一份。
Great pictures, thanks for the route.
Same here, it went away after a restart.
排队的话旁边商场地下二层还有四个桩。
这个收纳思路好，抄作业了。
"""
