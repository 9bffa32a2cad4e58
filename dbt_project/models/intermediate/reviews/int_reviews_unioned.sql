with

trustpilot as (
    select * from {{ ref('stg_trustpilot__reviews') }}
),

google_business_profile as (
    select * from {{ ref('stg_google_business_profile__reviews') }}
),

review_list as (
    select * from {{ ref('stg_review_list__reviews') }}
),

platforms as (
    select * from {{ ref('platforms') }}
),

unioned as (
    select
        'trustpilot' as source,
        false as is_copy,
        'trustpilot' as written_platform,
        load_id,
        review_id,
        rating,
        title,
        text,
        language,
        author_name,
        author_email,
        order_reference,
        created_at,
        updated_at,
        reply_text,
        replied_at,
        is_verified
    from trustpilot
    union all
    select
        'google_business_profile' as source,
        false as is_copy,
        'google' as written_platform,
        load_id,
        review_id,
        rating,
        null as title,
        text,
        null as language,
        case when not is_anonymous then author_name end as author_name,
        null as author_email,
        null as order_reference,
        created_at,
        updated_at,
        reply_text,
        replied_at,
        null as is_verified
    from google_business_profile
    union all
    select
        'review_list' as source,
        true as is_copy,
        platform as written_platform,
        load_id,
        review_id,
        cast(round(rating) as integer) as rating,
        title,
        text,
        null as language,
        author_name,
        author_email,
        order_reference,
        created_at,
        null as updated_at,
        reply_text,
        replied_at,
        null as is_verified
    from review_list
),

named as (
    select
        unioned.*,
        coalesce(platforms.platform, unioned.written_platform) as platform
    from unioned
    left join platforms on unioned.written_platform = {{ normalised_text('platforms.spelling') }}
),

-- A portal itself knows more of its reviews than a list that was copied from it.
ranked as (
    select
        *,
        row_number() over (
            partition by platform, review_id
            order by is_copy asc, load_id desc, written_platform asc
        ) as place
    from named
),

final as (
    select
        source,
        platform,
        review_id,
        rating,
        title,
        text,
        language,
        author_name,
        author_email,
        order_reference,
        created_at,
        greatest(created_at, updated_at, replied_at) as updated_at,
        reply_text,
        replied_at,
        is_verified
    from ranked
    where place = 1
)

select * from final
